# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: bytes that are hashed lie 3 before `_end`, where 258 bytes of room follow; a block ends with `_full`
# tokens; the last token that a precedent gives begins 263 bytes before `_end` or earlier.
"""Decisions of zlib, levels 1 to 9, and of GNU gzip: uncompressed data in, blocks of tokens out.

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
    from cython.cimports.airpatch.encoders.precedent import Precedent
    from cython.cimports.airpatch.encoders.zlib_chains import enter
    from cython.cimports.airpatch.encoders.zlib_window import ZlibWindow
else:
    from airpatch.encoders.precedent import Precedent
    from airpatch.encoders.zlib_chains import enter
    from airpatch.encoders.zlib_window import ZlibWindow

_WINDOW = cython.declare(cython.int, 1 << 15)
_MIN_MATCH = cython.declare(cython.int, 3)
_LOOKAHEAD = cython.declare(cython.int, 258 + 3 + 1)  # uncompressed data needed to decide, but at the end
_FARTHEST = cython.declare(cython.int, (1 << 15) - (258 + 3 + 1))  # distance of a match
_SLIDE = cython.declare(cython.int, (2 << 15) - (258 + 3 + 1))  # from this index on the window slides
_NEAR = cython.declare(cython.int, 4096)  # with lazy evaluation: of a match of 3 bytes
_NOWHERE = cython.declare(cython.longlong, 1 << 30)  # an index beyond the window


@cython.cclass
class ZlibMatcher(ZlibWindow):
    """The state of one stream, at the size of zlib's own.

    `memory_level` is zlib's memLevel, 1 to 9; `gzip` makes the search GNU gzip's: it looks past the end
    of the uncompressed data, and ends blocks by other rules. `dictionary`, at most 32 KiB, can be matched but is
    no output.
    """

    _tokens: cython.uint[::1]
    _token_array: array[int]
    _source: memoryview | None
    _full: cython.int  # tokens in a full block
    _index: cython.int  # where the next decision is made
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
    _greedy: cython.bint
    _early: cython.bint  # gzip: blocks may end early
    _lazy: cython.int
    _precedent: Precedent
    _heeding: cython.bint  # the block goes on where the precedent may tell more

    def __init__(
        self,
        search: SearchLimits,
        memory_level: int = 8,
        gzip: bool = False,
        dictionary: bytes = b"",
        precedent: Precedent | None = None,
    ) -> None:
        super().__init__(search, memory_level, gzip, dictionary)
        self._full = 0x7FFF if gzip else (1 << (memory_level + 6)) - 1
        self._token_array = array("I", bytes(4 * self._full))
        self._tokens = self._token_array
        self._greedy = search.greedy
        self._early = search.chain > 8  # not levels 1 and 2
        self._lazy = search.lazy
        self._source = None
        self._precedent = precedent
        self._heeding = False
        self._last = self._ending = self._waiting = False
        self._match = 0
        self._count = self._weighed = self._matches = self._distance_bits = 0
        self._index = self._block = self._cut = self._owed = len(dictionary)

    @property
    def source(self) -> memoryview | None:
        """The uncompressed data of the block, if the window still holds all of it."""
        return self._source

    @property
    def last(self) -> bool:
        """Whether the block is the last one."""
        return self._last

    def fill(self, data: memoryview) -> int:
        """Take uncompressed data; return how many bytes of it were taken, 0 if the window is full."""
        if self._index >= _SLIDE:
            self._slide()
        return self.take(data)

    def next_block(self, final: bool) -> array[int] | None:
        """Return the tokens of the next block, or None if the window must be filled first.

        `final` says not to wait for more uncompressed data; then what is left becomes the last block, maybe without
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
        self._source = self._uncompressed[self._block : self._cut] if self._block >= 0 else None
        self._block = self._cut
        self._count = self._weighed = self._matches = self._distance_bits = 0
        return tokens

    def go_on(self) -> None:
        """After the last block, take more uncompressed data all the same (zlib: after Z_BLOCK)."""
        self._last = self._ending = False
        # The bytes after which there were no three to hash.
        self._owed = min(self._index, _MIN_MATCH - 1)

    @cython.cfunc
    def _slide(self) -> cython.void:
        """Drop the older half of the window."""
        self.drop_half(self._owed >= _WINDOW)
        self._index -= _WINDOW
        self._block -= _WINDOW
        self._cut -= _WINDOW

    @cython.cfunc
    def _search(self, final: cython.bint) -> cython.bint:
        """Go on with the block; return whether it is whole."""
        complete: cython.bint
        taken: cython.Py_ssize_t
        last: cython.uint
        pause: cython.longlong = _NOWHERE
        while True:
            if self._precedent is not None:
                pause = min(self._precedent.next - self._dropped, _NOWHERE)
            with cython.nogil:
                if self._owed and self._index < pause:
                    self._enter_owed()
                complete = self._greedy_block(final) if self._greedy else self._lazy_block(final, pause)
            if not self._heeding:
                return complete
            taken = self._follow()
            if taken:
                last = self._tokens[self._count - 1]
                if self._is_whole(self._count, self._index + 1 - (last >> 16 if last > 0xFF else 1)):
                    return True
            elif self._precedent.next == self._dropped + self._index:
                return False

    @cython.cfunc
    def _follow(self) -> cython.Py_ssize_t:
        """Take tokens over, as many as a search makes before the window moves or the block may end; return how many."""
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        begin: cython.longlong = self._dropped + self._index
        limit: cython.longlong = self._dropped + self._end - _LOOKAHEAD
        room: cython.int = self._full - self._count
        if self._gzip:
            room = min(room, 0x1000 - (self._count & 0xFFF))
        taken: cython.Py_ssize_t = self._precedent.follow(begin, tokens, self._count, room, limit)
        if taken:
            self._count += taken
            self._cut = self._index = self._precedent.end - self._dropped
            self._owed = min(self._owed + self._precedent.end - begin, _WINDOW)
        return taken

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter_owed(self) -> cython.void:
        """Make up for the bytes that had no three to hash, or whose tokens were taken over."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        self._empty = False
        begin: cython.int = max(self._index - self._owed, 0)
        stop: cython.int = max(begin, min(self._index, self._end - (_MIN_MATCH - 1)))
        at: cython.int
        for at in range(begin, stop):
            enter(window, newest, older, at, self._hash_shift, self._hash_mask)
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
            candidate = enter(window, newest, older, index, shift, mask) if index < enter_end else 0
            before = match
            match = 0
            length = before >> 16 if before else _MIN_MATCH - 1
            if candidate != 0 and length < self._lazy and index - candidate <= _FARTHEST:
                match = self.longest(index, candidate, length)
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
                        enter(window, newest, older, index, shift, mask)
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
            candidate = enter(window, newest, older, index, shift, mask) if index < enter_end else 0
            match = 0
            if candidate != 0 and index - candidate <= _FARTHEST:
                match = self.longest(index, candidate, _MIN_MATCH - 1)
            tokens[count] = match if match else window[index]
            count += 1
            whole = self._is_whole(count, index)
            length = match >> 16 if match else 1
            if 1 < length <= self._lazy and end - (index + length) >= _MIN_MATCH:
                for inner in range(index + 1, index + length):
                    enter(window, newest, older, inner, shift, mask)
            index += length
        self._cut = index
        self._index = index
        self._count = count
        return whole

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
        """gzip's guess whether to end the block here: mostly literals, and half the uncompressed data's size."""
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
