# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: what is compared ends at `_end` <= _SPAN; a step adds one token a byte at most to fewer than a block's.
"""Match search of klauspost/compress flate at its levels 7 to 9: uncompressed data in, blocks of tokens out.

The decisions are those of `deflateLazy` and `findMatch` in `flate/deflate.go` (Klaus Post and the Go authors, BSD),
reimplemented here: hash chains over four bytes, lazy evaluation, and a last look for a match that ends later. Level 9
takes of a chain's matches the one that saves most bits, by a Huffman code of the bytes to come. Tokens are those of
airpatch.deflate.tables.

Use: `fill` until it takes nothing more, then `step` if there is more data, and so on; after all of it, the last `step`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import cython

from airpatch.deflate.huffman import go_lengths
from airpatch.deflate.tables import DISTANCE_EXTRA, DISTANCE_SYMBOL, LENGTH_EXTRA, LENGTH_SYMBOL, MAX_BITS

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, load32
    from cython.cimports.airpatch.encoders.hash_chains import RING, enter, forget
    from cython.cimports.airpatch.encoders.klauspost_shared import MAX_MATCH, WINDOW, hash4
else:
    from airpatch.byte_access import common, load32
    from airpatch.encoders.hash_chains import RING, enter, forget
    from airpatch.encoders.klauspost_shared import MAX_MATCH, WINDOW, hash4

BLOCK_TOKENS = 1 << 15  # tokens of a block
_SPAN = 2 << 15  # uncompressed data held: a window to copy from and one to compress
_MIN_MATCH = cython.declare(cython.int, 4)
_LOOKAHEAD = cython.declare(cython.int, 4 + 258)  # uncompressed data needed to decide, but at the end
_HASH_BITS = cython.declare(cython.int, 17)
_BLOCK_TOKENS = cython.declare(cython.int, BLOCK_TOKENS)
_CUT = cython.declare(cython.int, 2)  # a match that ends later may begin so many bytes later
_REBASE = cython.declare(cython.int, 1 << 28)


@dataclass(frozen=True, slots=True)
class LazySearch:
    """How hard to search: `levels` in deflate.go, but for its `good`, which has no effect there."""

    lazy: int  # a match this long is not held back for a better one
    nice: int  # a match this long ends the search
    chain: int  # candidates looked at


LAZY_SEARCHES = {7: LazySearch(12, 16, 24), 8: LazySearch(30, 40, 64), 9: LazySearch(258, 258, 1024)}


@dataclass(frozen=True, slots=True)
class LazyVariant:
    """What has changed between versions; as it is here from 1.18.2 on.

    `skips`: the match that ends later need not agree in its first bytes. Before 1.15.15 it had to, and level 9 asked
    more of a match. `weighed`: of how many bytes level 9 takes the code (before 1.18.2: all at hand); a byte without a
    code counts `uncoded` bits (in Go: 1).
    """

    skips: bool = True
    weighed: int = 1 << 15
    uncoded: int = 0


def _distance_costs() -> bytes:
    """Return the extra bits that level 9 counts for a distance d: entry d below 256, else 256 + (d >> 7 & 255).

    The original takes the symbol of d + 1, and for 32768, which would be 32769, that of 129.
    """
    costs = bytearray(DISTANCE_EXTRA[symbol] for symbol in DISTANCE_SYMBOL)
    costs[256] = DISTANCE_EXTRA[DISTANCE_SYMBOL[128]]
    return bytes(costs)


_DISTANCE_COST = cython.declare(cython.const[cython.uchar][::1], _distance_costs())
_LENGTH_COST = cython.declare(cython.const[cython.uchar][::1], bytes(LENGTH_EXTRA[symbol] for symbol in LENGTH_SYMBOL))


@cython.cclass
class LazyMatcher:
    """The state of one stream. Memory: 64 KiB of uncompressed data, 576 KiB of chains, 384 KiB of tokens."""

    # A position is an index into the window plus `_base`; 0 stands for none. Less `_base`, a position in the chains is
    # that of a byte entered before, maybe negative.
    _window: cython.uchar[::1]
    _newest: cython.uint[::1]  # hash -> newest position
    _older: cython.ushort[::1]  # position modulo the window -> how far back the next one with the same hash lies
    _tokens: cython.uint[::1]
    _code_lengths: cython.uchar[::1]  # level 9: bits of each byte in the code of the bytes to come
    _costs: cython.int[::1]  # level 9: bits of the first n bytes at the index
    _base: cython.int
    _index: cython.int  # where the next decision is made
    _end: cython.int  # where the uncompressed data in the window ends
    _covered: cython.int  # where the tokens of the blocks returned end
    _block: cython.int  # where the next block's uncompressed data begins; negative: not in the window any more
    _count: cython.int  # tokens at hand
    _run: cython.uint  # literals since the last match, modulo 2 ** 16
    _waiting: cython.bint  # the byte before `_index` has no token yet
    _match: cython.uint  # the match that begins at that byte, as a token; 0: none
    _lazy: cython.int
    _nice: cython.int
    _chain: cython.int
    _weighs: cython.bint
    _skips: cython.bint
    _weighed: cython.int
    _uncoded: cython.int
    _token_array: array[int]
    _uncompressed: memoryview
    steps = cython.declare(cython.longlong, visibility="readonly")  # candidates that have been looked at

    def __init__(self, search: LazySearch, variant: LazyVariant, dictionary: bytes = b"") -> None:
        self._uncompressed = memoryview(bytearray(_SPAN))
        self._window = self._uncompressed
        self._newest = array("I", [0]) * (1 << _HASH_BITS)
        self._older = array("H", bytes(2 << 15))
        # A step may find a token in each byte, and begins with fewer than a block's.
        self._token_array = array("I", [0]) * (_SPAN + _BLOCK_TOKENS)
        self._tokens = self._token_array
        self._code_lengths = bytearray(256)
        self._costs = array("i", bytes(4 * (MAX_MATCH + 1)))
        self._base = 1
        self._end = self._index = self._covered = len(dictionary)
        self._block = 0  # a dictionary counts as the first block's uncompressed data, even when that is stored
        self._count = self._run = self._match = 0
        self._waiting = False
        self.steps = 0
        self._lazy = search.lazy
        self._nice = search.nice
        self._chain = search.chain
        self._weighs = search.chain >= 100
        self._skips = variant.skips
        self._weighed = variant.weighed
        self._uncoded = variant.uncoded
        self._uncompressed[: self._end] = dictionary
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_uint = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        at: cython.int
        for at in range(self._end - (_MIN_MATCH - 1)):
            enter(newest, older, self._base, at, _slot(window, at))

    @property
    def full(self) -> bool:
        """Whether `fill` can take nothing more before the next step."""
        return self._end == _SPAN

    def fill(self, data: memoryview) -> int:
        """Take uncompressed data; return how many bytes of it were taken."""
        if self._index >= _SPAN - _LOOKAHEAD:
            self._slide()
        taken = min(len(data), _SPAN - self._end)
        self._uncompressed[self._end : self._end + taken] = data[:taken]
        self._end += taken
        return taken

    def step(self, last: bool) -> list[tuple[array[int], bytes | None]]:
        """Search in the uncompressed data at hand, if it is the `last`, to its end; return the blocks that are
        complete.

        A block is its tokens and its uncompressed data, or None if the window does not hold all of that any more.
        """
        final: cython.bint = last
        if self._weighs and self._end > self._index:
            self._weigh()
        with cython.nogil:
            self._search(final)
        blocks: list[tuple[array[int], bytes | None]] = []
        done = 0
        while self._count - done >= _BLOCK_TOKENS or (last and done < self._count):
            tokens = self._token_array[done : min(done + _BLOCK_TOKENS, self._count)]
            done += len(tokens)
            self._covered += _size(tokens)
            blocks.append(
                (tokens, bytes(self._uncompressed[self._block : self._covered]) if self._block >= 0 else None)
            )
            self._block = self._covered
        rest = self._token_array[done : self._count]
        memoryview(self._token_array)[: len(rest)] = rest
        self._count = len(rest)
        return blocks

    @cython.cfunc
    def _slide(self) -> cython.void:
        """Drop the older half of the window."""
        self._uncompressed[:WINDOW] = self._uncompressed[WINDOW:]
        self._index -= WINDOW
        self._end -= WINDOW
        self._block -= WINDOW
        self._covered -= WINDOW
        self._base += WINDOW
        if self._base > _REBASE:
            newest: cython.p_uint = cython.address(self._newest[0]) if cython.compiled else self._newest
            forget(newest, len(self._newest), self._base - 1)
            self._base = 1

    @cython.cfunc
    def _weigh(self) -> cython.void:
        """Make the code that matches are weighed by. The original counts in 16 bits."""
        counts = array("I", bytes(4 * 256))
        view: cython.uint[::1] = counts
        i: cython.Py_ssize_t
        for i in range(self._index, min(self._end, self._index + self._weighed)):
            view[self._window[i]] += 1
        for i in range(256):
            view[i] &= 0xFFFF
        for byte, length in enumerate(go_lengths(counts, MAX_BITS)):
            self._code_lengths[byte] = length or self._uncoded

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, final: cython.bint) -> cython.void:
        """Append tokens until too little uncompressed data is at hand to decide, or all is done."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_uint = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        base: cython.int = self._base
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        end: cython.int = self._end
        enter_end: cython.int = end - (_MIN_MATCH - 1)  # the bytes before it have four bytes to hash
        index: cython.int = self._index
        count: cython.int = self._count
        match: cython.uint = self._match
        run: cython.uint = self._run
        waiting: cython.bint = self._waiting
        cut: cython.int = _CUT if self._skips else 0
        candidate: cython.int = -1
        lowest: cython.int
        length: cython.int
        longer: cython.int
        distance: cython.int
        begin: cython.int
        other: cython.int
        excess: cython.int
        before: cython.uint
        while True:
            if end - index < _LOOKAHEAD and not final:
                break
            if index == end:
                if waiting:
                    waiting = False
                    tokens[count] = window[index - 1]
                    count += 1
                break
            if index < enter_end:
                candidate = enter(newest, older, base, index, _slot(window, index))
            lowest = max(index - WINDOW, 0)
            before = match
            match = 0
            length = before >> 16 if before else _MIN_MATCH - 1
            if candidate >= lowest and length < self._lazy and length < end - index:
                match = self._longest(index, candidate, min(end - index, MAX_MATCH))

            if before and match >> 16 <= before >> 16:
                # The match before is as good. But another one, found by its end, may go on for longer.
                begin = index - 1
                distance = before & 0xFFFF
                other = self._by_end(begin, length, distance, lowest, enter_end)
                longer = 0
                if other >= 0:
                    longer = common(window, begin + cut, window, other + cut, min(end - index, MAX_MATCH + cut) - cut)
                if longer > length:
                    length = longer
                    distance = begin - other
                    begin += cut
                    while begin >= index and length < MAX_MATCH and window[begin - 1] == window[begin - 1 - distance]:
                        begin -= 1
                        length += 1
                    while index <= begin:
                        tokens[count] = window[index - 1]
                        count += 1
                        index += 1
                        if index < enter_end:
                            enter(newest, older, base, index, _slot(window, index))
                tokens[count] = cython.cast(cython.uint, length) << 16 | distance
                count += 1
                for other in range(index + 1, min(index + length - 1, enter_end)):
                    enter(newest, older, base, other, _slot(window, other))
                index += length - 1
                waiting = False
                match = 0
                run = 0
                continue

            if match:
                run = 0
            if not waiting:
                index += 1
                waiting = True
                continue
            tokens[count] = window[index - 1]
            count += 1
            index += 1
            run = (run + 1) & 0xFFFF
            excess = cython.cast(cython.int, run) - self._chain
            if excess > 0:
                # The longer nothing is found, the more bytes are passed over.
                begin = min(index + 1 + (excess >> 6), end - 1)
                while index < begin:
                    tokens[count] = window[index - 1]
                    count += 1
                    if index < enter_end:
                        enter(newest, older, base, index, _slot(window, index))
                    index += 1
                tokens[count] = window[index - 1]
                count += 1
                waiting = False
        self._index = index
        self._count = count
        self._match = match
        self._run = run
        self._waiting = waiting

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _by_end(
        self,
        begin: cython.int,
        length: cython.int,
        distance: cython.int,
        lowest: cython.int,
        enter_end: cython.int,
    ) -> cython.int:
        """Return the begin of a match that has at its end, or near it, what a match at `begin` has there; or -1."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        short: cython.int = 0 if self._skips else _CUT  # so far before the end is what is looked up
        end: cython.int = begin + length
        other: cython.int
        if end + short >= enter_end or (self._skips and length >= MAX_MATCH - _CUT):
            return -1
        other = cython.cast(cython.int, self._newest[_slot(window, end - short)]) - self._base - (length - short)
        if self._skips:
            return other if other > lowest + _CUT and begin - other != distance else -1
        return other if other > lowest else -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _longest(self, index: cython.Py_ssize_t, candidate: cython.Py_ssize_t, limit: cython.int) -> cython.uint:
        """Follow a chain for the best match at `index`, 4 to `limit` bytes; return its token, or 0."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        costs: cython.p_int = cython.address(self._costs[0]) if cython.compiled else self._costs
        farthest: cython.Py_ssize_t = max(index - WINDOW, 0)
        enough: cython.Py_ssize_t = min(self._nice, limit)
        length: cython.Py_ssize_t = _MIN_MATCH - 1
        match: cython.uint = 0
        found: cython.Py_ssize_t
        left: cython.int = self._chain
        distance: cython.int
        known: cython.Py_ssize_t = 0  # bytes whose costs are summed up
        gain: cython.int = 0
        best: cython.int = 7 if self._skips else 6
        weighs: cython.bint = self._weighs
        # The last bytes of a longer match: where they differ, nothing else need be compared.
        ending: cython.uint = load32(window, index + length - 3)
        while left:
            left -= 1
            if load32(window, candidate + length - 3) == ending:
                found = common(window, candidate, window, index, limit)
                if found > length:
                    distance = index - candidate
                    if weighs:
                        while known < found:
                            costs[known + 1] = costs[known] + self._code_lengths[window[index + known]]
                            known += 1
                        gain = costs[found] - _LENGTH_COST[found]
                        gain -= _DISTANCE_COST[distance if distance < 256 else 256 + (distance >> 7 & 255)]
                    if not weighs or gain > best:
                        best = gain
                        length = found
                        match = cython.cast(cython.uint, length) << 16 | distance
                        if found >= enough:
                            break
                        ending = load32(window, index + length - 3)
            # At least 1: a slot that `index` has taken over ends the chain.
            candidate -= older[candidate & RING]
            if candidate < farthest:
                break
        self.steps += self._chain - left
        return match


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _slot(window: cython.p_uchar, index: cython.Py_ssize_t) -> cython.uint:
    """Return the hash of the four bytes at `index`."""
    return hash4(load32(window, index), _HASH_BITS)


@cython.cfunc
def _size(tokens: cython.uint[::1]) -> cython.Py_ssize_t:
    """Return how many bytes the tokens stand for."""
    size: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t
    for i in range(len(tokens)):
        size += tokens[i] >> 16 if tokens[i] > 255 else 1
    return size
