# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Match search of zlib, levels 1 to 9, and of GNU gzip: plaintext in, blocks of tokens out.

The decisions are those of `deflate.c` in zlib 1.2.13 (Jean-loup Gailly and Mark Adler, zlib licence) and
in gzip 1.12 (Jean-loup Gailly, GPL), reimplemented here: hash chains over three bytes, with lazy evaluation
from level 4 on. All zlib versions from 1.2.5.1 to 1.3.1 decide alike. Tokens are those of
airpatch.deflate.tables.

Use: `fill` until it takes nothing more, then `next_block` until it returns None, and so on; at the end
`next_block(True)`, and after its last block `go_on` if that was not the end. `source` and `last` describe the
block until the next call. From level 4 on, and without a dictionary, a search can take over what an earlier one
found in the same bytes.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.encoders.zlib_levels import SearchLimits

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, load32
    from cython.cimports.airpatch.encoders.precedent import Precedent
else:
    from airpatch.byte_access import common, load32
    from airpatch.encoders.precedent import Precedent

_WINDOW = cython.declare(cython.int, 1 << 15)
_SPAN = cython.declare(cython.int, 2 << 15)  # plaintext held: a window to copy from and one to compress
_MIN_MATCH = cython.declare(cython.int, 3)
_MAX_MATCH = cython.declare(cython.int, 258)
_LOOKAHEAD = cython.declare(cython.int, 258 + 3 + 1)  # plaintext needed to decide, but at the end
_FARTHEST = cython.declare(cython.int, (1 << 15) - (258 + 3 + 1))  # distance of a match
_SLIDE = cython.declare(cython.int, (2 << 15) - (258 + 3 + 1))  # from this index on the window slides
_MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)
_NEAR = cython.declare(cython.int, 4096)  # with lazy evaluation: of a match of 3 bytes
_NOWHERE = cython.declare(cython.longlong, 1 << 30)  # an index beyond the window


@cython.cclass
class ZlibMatcher:
    """The state of one stream, at the size of zlib's own.

    `memory_level` is zlib's memLevel, 1 to 9; `gzip` makes the search GNU gzip's: it looks past the end
    of the plaintext, and ends blocks by other rules. `dictionary`, at most 32 KiB, can be matched but is
    no output.
    """

    # 0 stands for no position, which is why nothing matches the first byte of the window. The window's upper
    # half keeps what was there before when it slides, and beyond it lies room for reading past the end.
    _window: cython.uchar[::1]
    _newest: cython.ushort[::1]  # hash -> newest position
    _older: cython.ushort[::1]  # position modulo the window -> next older position with the same hash
    _tokens: cython.uint[::1]
    _plaintext: memoryview
    _token_array: array[int]
    _source: memoryview | None
    _hash_shift: cython.int
    _hash_mask: cython.uint
    _full: cython.int  # tokens in a full block
    _index: cython.int  # where the next decision is made
    _end: cython.int  # where the plaintext in the window ends
    _block: cython.int  # where the current block begins; negative: it has left the window
    _cut: cython.int  # where the block returned last ends
    _owed: cython.int  # so many bytes before `_index` are to enter the chains when those after it are known
    _count: cython.int  # tokens in the current block
    _weighed: cython.int  # gzip: of these tokens the distances have been weighed
    _matches: cython.int  # gzip: so many were matches
    _distance_bits: cython.int  # gzip: and their distances take so many bits
    _waiting: cython.bint  # the byte before `_index` has no token yet
    _match: cython.uint  # the match that begins at that byte, as a token; 0: none
    _last: cython.bint
    _ending: cython.bint
    _gzip: cython.bint
    _greedy: cython.bint
    _early: cython.bint  # gzip: blocks may end early
    _good: cython.int
    _lazy: cython.int
    _nice: cython.int
    _chain: cython.int
    _precedent: Precedent
    _dropped: cython.longlong  # bytes of the stream that were before the window
    _heeding: cython.bint  # the block goes on where the precedent may tell more

    def __init__(
        self,
        search: SearchLimits,
        memory_level: int = 8,
        gzip: bool = False,
        dictionary: bytes = b"",
        precedent: Precedent | None = None,
    ) -> None:
        self._plaintext = memoryview(bytearray(_SPAN + _MAX_MATCH))
        self._window = self._plaintext
        hash_bits = memory_level + 7
        self._hash_shift = (hash_bits + 2) // 3
        self._hash_mask = (1 << hash_bits) - 1
        self._newest = array("H", bytes(2 << hash_bits))
        self._older = array("H", bytes(2 * _WINDOW))
        self._full = 0x7FFF if gzip else (1 << (memory_level + 6)) - 1
        self._token_array = array("I", bytes(4 * self._full))
        self._tokens = self._token_array
        self._gzip = gzip
        self._greedy = search.greedy
        self._early = search.chain > 8  # not levels 1 and 2
        self._good = search.good
        self._lazy = search.lazy
        self._nice = search.nice
        self._chain = search.chain
        self._source = None
        self._precedent = precedent
        self._dropped = -len(dictionary)
        self._heeding = False
        self._last = self._ending = self._waiting = False
        self._match = 0
        self._count = self._weighed = self._matches = self._distance_bits = 0
        self._plaintext[: len(dictionary)] = dictionary
        self._index = self._end = self._block = self._cut = self._owed = len(dictionary)

    @property
    def source(self) -> memoryview | None:
        """The plaintext of the block, if the window still holds all of it."""
        return self._source

    @property
    def last(self) -> bool:
        """Whether the block is the last one."""
        return self._last

    def fill(self, data: memoryview) -> int:
        """Take plaintext; return how many bytes of it were taken, 0 if the window is full."""
        if self._index >= _SLIDE:
            self._slide()
        taken = min(len(data), _SPAN - self._end)
        self._plaintext[self._end : self._end + taken] = data[:taken]
        self._end += taken
        if self._precedent is not None:
            self._precedent.take(data[:taken])
        return taken

    def next_block(self, final: bool) -> array[int] | None:
        """Return the tokens of the next block, or None if the window must be filled first.

        `final` says not to wait for more plaintext; then what is left becomes the last block, maybe without
        tokens.
        """
        if self._last:
            return None
        ending: cython.bint = final
        complete: cython.bint = False
        if ending and not self._ending:
            complete = self._search(False)
            if not complete:
                if self._index >= _SLIDE:
                    self._slide()
                self._window[self._end] = self._window[self._end + 1] = 0
                self._ending = True
        if not complete:
            complete = self._search(ending)
        if not complete and ending:  # zlib slides even at the end
            self._slide()
            complete = self._search(True)
        if not complete:
            return None
        tokens = self._token_array[: self._count]
        self._source = self._plaintext[self._block : self._cut] if self._block >= 0 else None
        self._block = self._cut
        self._count = self._weighed = self._matches = self._distance_bits = 0
        return tokens

    def go_on(self) -> None:
        """After the last block, take more plaintext all the same (zlib: after Z_BLOCK)."""
        self._last = self._ending = False
        # The bytes after which there were no three to hash.
        self._owed = min(self._index, _MIN_MATCH - 1)

    @cython.cfunc
    def _slide(self) -> cython.void:
        """Drop the older half of the window."""
        self._plaintext[:_WINDOW] = self._plaintext[_WINDOW:_SPAN]
        self._index -= _WINDOW
        self._end -= _WINDOW
        self._block -= _WINDOW
        self._cut -= _WINDOW
        self._dropped += _WINDOW
        _shift(self._newest)
        _shift(self._older)

    @cython.cfunc
    def _search(self, final: cython.bint) -> cython.bint:
        """Go on with the block; return whether it is whole."""
        complete: cython.bint
        pause: cython.longlong = _NOWHERE
        while True:
            if self._precedent is not None:
                pause = min(self._precedent.next - self._dropped, _NOWHERE)
            with cython.nogil:
                if self._owed:
                    self._enter_owed()
                complete = self._greedy_block(final) if self._greedy else self._lazy_block(final, pause)
            if not self._heeding:
                return complete
            self._follow()

    @cython.cfunc
    def _follow(self) -> cython.void:
        """Take over tokens, and let the search end the block; their bytes enter the chains, so that it can go on."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        room: cython.int = self._full - 1 - self._count
        if self._gzip:
            room = min(room, 0xFFF - (self._count & 0xFFF))
        self._count += self._precedent.follow(self._dropped + self._index, tokens, self._count, room)
        index: cython.int
        end: cython.int = self._precedent.end - self._dropped
        for index in range(self._index, end):
            _enter(window, newest, older, index, self._hash_shift, self._hash_mask)
        self._cut = self._index = end

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter_owed(self) -> cython.void:
        """Make up for the bytes that had no three to hash."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        begin: cython.int = self._index - self._owed
        stop: cython.int = max(begin, min(self._index, self._end - (_MIN_MATCH - 1)))
        at: cython.int
        for at in range(begin, stop):
            _enter(window, newest, older, at, self._hash_shift, self._hash_mask)
        self._owed = self._index - stop

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _lazy_block(self, final: cython.bint, pause: cython.longlong) -> cython.bint:
        """Levels 4 to 9: a match waits for a better one at the next byte.

        Behind a match, and from the index `pause` on, the search stops for the precedent.
        """
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        shift: cython.int = self._hash_shift
        mask: cython.uint = self._hash_mask
        end: cython.int = self._end
        enter_end: cython.int = end - (_MIN_MATCH - 1)  # the bytes before it have three bytes to hash
        index: cython.int = self._index
        count: cython.int = self._count
        match: cython.uint = self._match
        before: cython.uint
        length: cython.int
        candidate: cython.int
        stop: cython.int
        whole: cython.bint = False
        self._heeding = False
        while not whole:
            if end - index < _LOOKAHEAD and (not final or (index >= _SLIDE and not self._gzip)):
                break
            if index == end:
                if self._waiting:
                    self._waiting = False
                    tokens[count] = window[index - 1]
                    count += 1
                self._cut = index
                self._last = whole = True
                break
            if index >= pause and not self._waiting:
                self._heeding = True
                break
            candidate = _enter(window, newest, older, index, shift, mask) if index < enter_end else 0
            before = match
            match = 0
            length = before >> 16 if before else _MIN_MATCH - 1
            if candidate != 0 and length < self._lazy and index - candidate <= _FARTHEST:
                match = self._longest(index, candidate, length)
                if match >> 16 == _MIN_MATCH and index - candidate > 0 and (match & 0xFFFF) > _NEAR:
                    match = 0
            if before and match >> 16 <= before >> 16:
                tokens[count] = before
                count += 1
                whole = self._is_whole(count, index)
                stop = index + length - 1
                index += 1
                while index < stop:
                    if index < enter_end:
                        _enter(window, newest, older, index, shift, mask)
                    index += 1
                self._waiting = False
                match = 0
                self._cut = index
            else:
                if self._waiting:
                    tokens[count] = window[index - 1]
                    count += 1
                    whole = self._is_whole(count, index)
                    self._cut = index
                self._waiting = True
                index += 1
        self._index = index
        self._count = count
        self._match = match
        return whole

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _greedy_block(self, final: cython.bint) -> cython.bint:
        """Levels 1 to 3: the first match is taken."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        shift: cython.int = self._hash_shift
        mask: cython.uint = self._hash_mask
        end: cython.int = self._end
        enter_end: cython.int = end - (_MIN_MATCH - 1)
        index: cython.int = self._index
        count: cython.int = self._count
        match: cython.uint
        length: cython.int
        candidate: cython.int
        inner: cython.int
        whole: cython.bint = False
        while not whole:
            if end - index < _LOOKAHEAD and (not final or (index >= _SLIDE and not self._gzip)):
                break
            if index == end:
                self._last = whole = True
                break
            candidate = _enter(window, newest, older, index, shift, mask) if index < enter_end else 0
            match = 0
            if candidate != 0 and index - candidate <= _FARTHEST:
                match = self._longest(index, candidate, _MIN_MATCH - 1)
            tokens[count] = match if match else window[index]
            count += 1
            whole = self._is_whole(count, index)
            length = match >> 16 if match else 1
            if 1 < length <= self._lazy and end - (index + length) >= _MIN_MATCH:
                for inner in range(index + 1, index + length):
                    _enter(window, newest, older, inner, shift, mask)
            index += length
        self._cut = index
        self._index = index
        self._count = count
        return whole

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _longest(
        self, index: cython.Py_ssize_t, candidate: cython.Py_ssize_t, length: cython.Py_ssize_t
    ) -> cython.uint:
        """Follow a chain for the longest match over `length` bytes at `index`; return its token, or 0."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        ahead: cython.Py_ssize_t = self._end - index
        limit: cython.Py_ssize_t = _MAX_MATCH if self._gzip else min(_MAX_MATCH, ahead)
        enough: cython.Py_ssize_t = min(self._nice, limit)
        oldest: cython.Py_ssize_t = max(index - _FARTHEST, 0)
        chain: cython.int = self._chain >> 2 if length >= self._good else self._chain
        match: cython.uint = 0
        found: cython.Py_ssize_t
        ending: cython.uint
        if length >= limit or (self._gzip and index > _SLIDE):
            return 0
        # The last four bytes of a longer match, or all three: where they differ, nothing else need be compared. Before
        # `candidate` there is a byte, since chains end at 0.
        mask: cython.uint = _MASK32 if length >= _MIN_MATCH else _MASK32 - 0xFF
        ending = load32(window, index + length - 3)
        while True:
            if (load32(window, candidate + length - 3) ^ ending) & mask == 0:
                found = common(window, candidate, window, index, limit)
                if found > length:
                    length = found
                    match = cython.cast(cython.uint, min(length, ahead)) << 16 | (index - candidate)
                    if found >= enough:
                        break
                    mask = _MASK32
                    ending = load32(window, index + length - 3)
            candidate = older[candidate & 0x7FFF]  # modulo the window, as a constant of C
            chain -= 1
            if candidate <= oldest or chain == 0:
                break
        return match if match >> 16 >= _MIN_MATCH else 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _is_whole(self, count: cython.int, index: cython.int) -> cython.bint:
        """Return whether the block ends with its `count`-th token, put there at `index`."""
        if self._gzip and self._early and count & 0xFFF == 0 and self._pays(count, index):
            return True
        return count == self._full

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _pays(self, count: cython.int, index: cython.int) -> cython.bint:
        """gzip's guess whether to end the block here: mostly literals, and half the plaintext's size."""
        distance: cython.uint
        while self._weighed < count:
            distance = self._tokens[self._weighed] & 0xFFFF if self._tokens[self._weighed] >= 256 else 0
            self._weighed += 1
            if distance:
                self._matches += 1
                self._distance_bits += 5
                distance = (distance - 1) >> 2
                while distance:
                    self._distance_bits += 1
                    distance >>= 1
        size: cython.int = (8 * count + self._distance_bits) >> 3
        return self._matches < count // 2 and size < (index - self._block) // 2


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _enter(
    window: cython.p_uchar,
    newest: cython.p_ushort,
    older: cython.p_ushort,
    index: cython.Py_ssize_t,
    shift: cython.int,
    mask: cython.uint,
) -> cython.int:
    """Put the byte at `index` at the head of its chain; return the former head, or 0."""
    slot: cython.uint = ((window[index] << 2 * shift) ^ (window[index + 1] << shift) ^ window[index + 2]) & mask
    head: cython.ushort = newest[slot]
    older[index & 0x7FFF] = head  # modulo the window, as a constant of C
    newest[slot] = index
    return head


@cython.cfunc
def _shift(positions: cython.ushort[::1]) -> cython.void:
    """Positions after the window has slid; those that left it become 0."""
    i: cython.Py_ssize_t
    for i in range(len(positions)):
        positions[i] = positions[i] - _WINDOW if positions[i] >= _WINDOW else 0
