# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: bytes hashed or compared end at `_end` <= _SPAN, those hashed ahead of time _AHEAD behind it at most, where
# the window has room; candidates precede the index and are not negative; a block stops at _BLOCK_TOKENS; slots have 17
# bits, places in the ring 15.
"""Match search of Go's compress/flate up to Go 1.26, levels 2 to 9: uncompressed data in, blocks of tokens out.

The decisions are those of `compress/flate/deflate.go` (the Go authors, BSD), reimplemented here: hash chains over
four bytes, with lazy evaluation from level 4 on. Tokens are those of airpatch.deflate.tables.

Use: `fill` until it takes nothing more, then `next_block` until it returns None, and so on; at the end of the
uncompressed data `next_block(True)`. `source` describes the block until the next call. From level 4 on, a search can
take over what an earlier one found in the same bytes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, load32, load32_big
    from cython.cimports.airpatch.encoders.hash_chains import RING, enter, forget
    from cython.cimports.airpatch.encoders.precedent import Precedent
    from cython.cimports.airpatch.prefetch import fetch
else:
    from airpatch.byte_access import common, load32, load32_big
    from airpatch.encoders.hash_chains import RING, enter, forget
    from airpatch.encoders.precedent import Precedent
    from airpatch.prefetch import fetch

from airpatch.zeroed_memory import lazy_zeros

BLOCK_TOKENS = 1 << 14  # tokens of a block
_MASK = cython.declare(cython.uint, 0xFFFFFFFF)  # hashes wrap
_WINDOW = cython.declare(cython.int, 1 << 15)
_SPAN = cython.declare(cython.int, 2 << 15)  # uncompressed data held: a window to copy from and one to compress
_MIN_MATCH = cython.declare(cython.int, 4)
_MAX_MATCH = cython.declare(cython.int, 258)
_LOOKAHEAD = cython.declare(cython.int, 4 + 258)  # uncompressed data needed to decide, but at the end
_NEAR = cython.declare(cython.int, 4096)  # a match of 4 bytes from farther away costs more than it saves
_HASH_BITS = cython.declare(cython.int, 17)
_BLOCK_TOKENS = cython.declare(cython.int, BLOCK_TOKENS)
_REBASE = cython.declare(cython.int, 1 << 24)
_AHEAD = cython.declare(cython.int, 32)  # bytes: as many are entered while a slot comes out of memory
_NOWHERE = cython.declare(cython.longlong, 1 << 30)  # an index beyond the window


@dataclass(frozen=True, slots=True)
class Search:
    """How hard to search: `levels` in deflate.go, but for its `good`, which has no effect there."""

    lazy: int  # a shorter match may be beaten by one that begins a byte later; 0: the first match is taken
    nice: int  # a match this long ends the search
    chain: int  # candidates looked at
    enter: int = 258  # with lazy 0: the bytes of a match longer than this do not enter the chains


SEARCHES = {
    2: Search(0, 16, 8, 5),
    3: Search(0, 32, 32, 6),
    4: Search(4, 16, 16),
    5: Search(16, 32, 32),
    6: Search(16, 128, 128),
    7: Search(32, 128, 256),
    8: Search(128, 258, 1024),
    9: Search(258, 258, 4096),
}


@cython.cclass
class ChainMatcher:
    """The state of one stream. Memory: 64 KiB of uncompressed data, 576 KiB of chains, 64 KiB of tokens."""

    # A position is an index into the window plus `_base`; 0 stands for none. Invariant: a position in the
    # chains is that of a byte entered before, so less `_base` it is at most `_index`, maybe negative.
    _window: cython.uchar[::1]
    _newest: cython.uint[::1]  # hash -> newest position
    _older: cython.ushort[::1]  # position modulo the window -> how far back the next one with the same hash lies
    _tokens: cython.uint[::1]
    _base: cython.int
    _index: cython.int  # where the next decision is made
    _end: cython.int  # where the uncompressed data in the window ends
    _block: cython.int  # where the current block begins; -1: it has left the window
    _cut: cython.int  # where the block returned last ends
    _count: cython.int  # tokens in the current block
    _waiting: cython.bint  # the byte before `_index` has no token yet
    _match: cython.uint  # the match that begins at that byte, as a token; 0: none
    _lazy: cython.int
    _nice: cython.int
    _chain: cython.int
    _enter_most: cython.int
    _token_array: array[int]
    _source: memoryview | None
    _uncompressed: memoryview
    _precedent: Precedent
    _dropped: cython.longlong  # bytes of the stream that were before the window
    _heeding: cython.bint  # the block goes on where the precedent may tell more
    _owed: cython.int  # so many bytes before `_index` have not entered the chains, no more than a match can reach
    steps = cython.declare(cython.longlong, visibility="readonly")  # candidates that have been looked at

    def __init__(self, search: Search, precedent: Precedent | None = None) -> None:
        self._uncompressed = memoryview(bytearray(_SPAN + _AHEAD))
        self._window = self._uncompressed
        # Members of an eStargz layer are small: memory that they do not use is not touched.
        self._newest = memoryview(lazy_zeros(4 << _HASH_BITS)).cast("I")
        self._older = memoryview(lazy_zeros(2 * _WINDOW)).cast("H")
        self._token_array = array("I", bytes(4 * _BLOCK_TOKENS))
        self._tokens = self._token_array
        self._base = 1
        self._index = self._end = self._block = self._cut = self._count = 0
        self._waiting = False
        self._match = 0
        self._lazy = search.lazy
        self._nice = search.nice
        self._chain = search.chain
        self._enter_most = search.enter
        self._source = None
        self._precedent = precedent
        if precedent is not None:
            precedent.edges = True
        self._dropped = self._owed = 0
        self.steps = 0
        self._heeding = False

    @property
    def source(self) -> memoryview | None:
        """The uncompressed data of that block, if the window still holds all of it."""
        return self._source

    def fill(self, data: memoryview) -> int:
        """Take uncompressed data; return how many bytes of it were taken, 0 if the window is full."""
        if self._index >= _SPAN - _LOOKAHEAD:
            self._slide()
        taken = min(len(data), _SPAN - self._end)
        self._uncompressed[self._end : self._end + taken] = data[:taken]
        self._end += taken
        return taken

    def next_block(self, final: bool) -> array[int] | None:
        """Return the tokens of the next block, or None if the window must be filled first.

        `final` says that no uncompressed data follows; then what is left becomes a block, too.
        """
        last: cython.bint = final
        complete: cython.bint
        pause: cython.longlong = _NOWHERE
        while True:
            if self._precedent is not None:
                pause = min(self._precedent.next - self._dropped, _NOWHERE)
            with cython.nogil:
                if self._owed and self._index < pause:
                    self._enter_owed()
                complete = self._greedy_block(last) if self._lazy == 0 else self._lazy_block(last, pause)
            if not self._heeding or not self._follow():
                break
        if not complete:
            return None
        tokens = self._token_array[: self._count]
        self._source = self._uncompressed[self._block : self._cut] if self._block >= 0 else None
        self._block = self._cut
        self._count = 0
        return tokens

    @cython.cfunc
    def _slide(self) -> cython.void:
        """Drop the older half of the window."""
        self._uncompressed[:_WINDOW] = self._uncompressed[_WINDOW:_SPAN]
        self._index -= _WINDOW
        self._end -= _WINDOW
        self._block = self._block - _WINDOW if self._block >= _WINDOW else -1
        self._base += _WINDOW
        self._dropped += _WINDOW
        if self._base > _REBASE:
            newest: cython.p_uint = cython.address(self._newest[0]) if cython.compiled else self._newest
            forget(newest, len(self._newest), self._base - 1)
            self._base = 1

    @cython.cfunc
    def _follow(self) -> cython.bint:
        """Take tokens over, as many as a search makes before the window moves; return whether it is not to move yet."""
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        begin: cython.longlong = self._dropped + self._index
        limit: cython.longlong = self._dropped + self._end - _LOOKAHEAD
        self._count += self._precedent.follow(begin, tokens, self._count, _BLOCK_TOKENS - self._count, limit)
        self._index = self._precedent.end - self._dropped
        if self._precedent.end > begin:
            self._cut = self._index
        self._owed = min(self._owed + self._precedent.end - begin, _WINDOW)
        return max(self._precedent.end, self._precedent.next) > begin

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter_owed(self) -> cython.void:
        """Enter the bytes whose tokens were taken over into the chains, so that the search can go on behind them."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_uint = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        base: cython.int = self._base
        index: cython.int
        for index in range(max(self._index - self._owed, 0), self._index):
            fetch(newest, _slot(window, index + _AHEAD))
            enter(newest, older, base, index, _slot(window, index))
        self._owed = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _lazy_block(self, final: cython.bint, pause: cython.longlong) -> cython.bint:
        """Levels 4 to 9: a match waits for a better one at the next byte. Return whether a block is whole.

        Behind a match, and from the index `pause` on, the search stops for the precedent.
        """
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_uint = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        base: cython.int = self._base
        end: cython.int = self._end
        enter_end: cython.int = end - (_MIN_MATCH - 1)  # the bytes before it have four bytes to hash
        index: cython.int = self._index
        count: cython.int = self._count
        match: cython.uint = self._match
        before: cython.uint
        length: cython.int
        candidate: cython.int = -1
        reachable: cython.bint
        last: cython.int
        self._heeding = False
        while count < _BLOCK_TOKENS:
            if end - index < _LOOKAHEAD and not final:
                break
            if index >= pause and not self._waiting:
                self._heeding = True
                break
            if index == end:
                if self._waiting:
                    self._waiting = False
                    tokens[count] = window[index - 1]
                    count += 1
                self._cut = index
                break
            if index < enter_end:
                fetch(newest, _slot(window, index + _AHEAD))
                candidate = enter(newest, older, base, index, _slot(window, index))
            before = match
            match = 0
            length = before >> 16 if before else _MIN_MATCH - 1
            reachable = candidate >= 0 and index - candidate <= _WINDOW
            if reachable and length < self._lazy and length < end - index:
                match = self._longest(index, candidate, min(end - index, _MAX_MATCH), length)
            if before and match >> 16 <= before >> 16:
                tokens[count] = before
                count += 1
                last = index + length - 1
                index += 1
                while index < last:
                    if index < enter_end:
                        fetch(newest, _slot(window, index + _AHEAD))
                        enter(newest, older, base, index, _slot(window, index))
                    index += 1
                self._waiting = False
                match = 0
                self._cut = index
            else:
                if self._waiting:
                    tokens[count] = window[index - 1]
                    count += 1
                    self._cut = index
                self._waiting = True
                index += 1
        self._index = index
        self._count = count
        self._match = match
        return count == _BLOCK_TOKENS or (final and index == end and count > 0)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _greedy_block(self, final: cython.bint) -> cython.bint:
        """Levels 2 and 3: the first match is taken. Return whether a block is whole."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_uint = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        base: cython.int = self._base
        end: cython.int = self._end
        enter_end: cython.int = end - (_MIN_MATCH - 1)
        index: cython.int = self._index
        count: cython.int = self._count
        match: cython.uint
        length: cython.int
        candidate: cython.int = -1
        last: cython.int
        while count < _BLOCK_TOKENS and (end - index >= _LOOKAHEAD or (final and index < end)):
            match = 0
            if index < enter_end:
                candidate = enter(newest, older, base, index, _slot(window, index))
                if candidate >= 0 and index - candidate <= _WINDOW:
                    match = self._longest(index, candidate, min(end - index, _MAX_MATCH), _MIN_MATCH - 1)
            if match:
                tokens[count] = match
                length = match >> 16
                if length <= self._enter_most:
                    for last in range(index + 1, min(index + length, enter_end)):
                        fetch(newest, _slot(window, last + _AHEAD))
                        enter(newest, older, base, last, _slot(window, last))
                index += length
            else:
                tokens[count] = window[index]
                index += 1
            count += 1
        self._cut = index
        self._index = index
        self._count = count
        return count == _BLOCK_TOKENS or (final and index == end and count > 0)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _longest(
        self, index: cython.Py_ssize_t, candidate: cython.Py_ssize_t, limit: cython.int, length: cython.Py_ssize_t
    ) -> cython.uint:
        """Follow a chain for the longest match at `index`, over `length` and up to `limit` bytes; return its token, or
        0.
        """
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        farthest: cython.Py_ssize_t = max(index - _WINDOW, 0)
        enough: cython.Py_ssize_t = min(self._nice, limit)
        match: cython.uint = 0
        found: cython.Py_ssize_t
        left: cython.int = self._chain
        # The last bytes of a longer match: where they differ, nothing else need be compared.
        ending: cython.uint = load32(window, index + length - 3)
        last: cython.Py_ssize_t = self._last(index, length, farthest)
        while left:
            left -= 1
            if load32(window, candidate + length - 3) == ending:
                found = common(window, candidate, window, index, limit)
                if found > length and (found > _MIN_MATCH or index - candidate <= _NEAR):
                    length = found
                    match = cython.cast(cython.uint, length) << 16 | (index - candidate)
                    if found >= enough:
                        break
                    ending = load32(window, index + length - 3)
                    last = self._last(index, length, farthest)
            # At least 1: a slot that `index` has taken over ends the chain.
            candidate -= older[candidate & RING]
            if candidate < last:
                break
        self.steps += self._chain - left
        return match

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _last(
        self, index: cython.Py_ssize_t, length: cython.Py_ssize_t, farthest: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """Return before which index there is no match of more than `length` bytes.

        Its last four bytes were entered into the chains, if they do not end behind `index`: where their chain is empty,
        only matches that reach so far are left. Levels 2 and 3 do not enter all bytes.
        """
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        ahead: cython.Py_ssize_t = length - 3
        if (
            ahead
            and self._lazy
            and cython.cast(cython.int, self._newest[_slot(window, index + ahead)]) - self._base < (farthest + ahead)
        ):
            return max(farthest, index - ahead)
        return farthest


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _slot(window: cython.p_uchar, index: cython.Py_ssize_t) -> cython.uint:
    """Return the hash of the four bytes at `index`."""
    return ((load32_big(window, index) * 0x1E35A7BD) & _MASK) >> (32 - _HASH_BITS)
