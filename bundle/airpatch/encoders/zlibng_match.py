# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: bytes that are entered lie below `_SPAN`, behind which there is room for a match; a block ends with `_full`
# tokens; a match that gives bytes away stays above index 0.
"""Decisions of zlib-ng, levels 2 to 9: uncompressed data in, blocks of tokens out.

The decisions are those of `deflate_fast.c`, `deflate_medium.c` (Arjan van de Ven) and `deflate_slow.c` in zlib-ng
2.2.5 (Jean-loup Gailly, Mark Adler and others, zlib licence), reimplemented here. Tokens are those of
airpatch.deflate.tables.

Use: `fill` until it takes nothing more, then `next_block` until it returns None, and so on; at the end
`next_block(True)`. `source` and `last` describe the block until the next call. To call `next_block` before the window
is full is to end a call of `deflate`, which may decide otherwise for that.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.encoders.zlibng_levels import Strategy, Traits

if cython.compiled:
    from cython.cimports.airpatch.encoders.zlibng_window import ZlibNgWindow
else:
    from airpatch.encoders.zlibng_window import ZlibNgWindow

_MEDIUM = cython.declare(cython.int, Strategy.MEDIUM)
_SLOW = cython.declare(cython.int, Strategy.SLOW)
_WINDOW = cython.declare(cython.int, 1 << 15)
_SPAN = cython.declare(cython.int, 2 << 15)
_SHORTEST = cython.declare(cython.int, 4)  # match that is wanted
_STANDARD = cython.declare(cython.int, 3)  # the shortest of deflate
_NONE = cython.declare(cython.int, 2)  # the length of no match
_LOOKAHEAD = cython.declare(cython.int, 258 + 3 + 1)  # uncompressed data needed to decide, but at the end
_FARTHEST = cython.declare(cython.int, (1 << 15) - (258 + 3 + 1))  # distance of a match
_SLIDE = cython.declare(cython.int, (2 << 15) - (258 + 3 + 1))  # from this index on the window slides


@cython.cclass
class ZlibNgMatcher(ZlibNgWindow):
    """The state of one stream, at the size of zlib-ng's own; `memory_level` is its memLevel, 1 to 9."""

    _tokens: cython.uint[::1]
    _token_array: array[int]
    _source: memoryview | None
    _strategy: cython.int
    _enters_all: cython.bint
    _looks_on: cython.bint  # MEDIUM: for the match that follows
    _lazy: cython.int
    _full: cython.int  # tokens in a full block
    _index: cython.int  # where the next decision is made
    _block: cython.int  # where the current block begins; negative: it has left the window
    _cut: cython.int  # where the block returned last ends
    _count: cython.int  # tokens in the current block
    _filled: cython.bint  # data has been taken since the last search
    _last: cython.bint
    # MEDIUM: the match that follows; `_origin` is where it began before it was given bytes.
    _next: cython.int
    _next_found: cython.int
    _next_length: cython.int  # 0: it is not known
    _origin: cython.int
    # SLOW: the byte before `_index` has no token yet; `_previous` is the length of the match there, or 2 or less.
    _waiting: cython.bint
    _previous: cython.int

    def __init__(self, traits: Traits, memory_level: int = 8) -> None:
        super().__init__(traits)
        self._strategy = traits.strategy
        self._enters_all = traits.enters_all
        self._looks_on = not traits.is_hurried
        self._lazy = traits.search.lazy
        self._full = (1 << (memory_level + 6)) - 1
        self._token_array = array("I", bytes(4 * self._full))
        self._tokens = self._token_array
        self._source = None
        self._filled = self._last = self._waiting = False
        self._index = self._block = self._cut = self._count = self._previous = 0
        self._next = self._next_found = self._next_length = self._origin = 0

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
        taken = min(len(data), _SPAN - self._end)
        self._uncompressed[self._end : self._end + taken] = data[:taken]
        self._end += taken
        self._filled = self._filled or taken > 0
        return taken

    def interrupt(self) -> None:
        """Go on as if `deflate` were called again: what is known of the match that follows is forgotten."""
        self._next_length = 0

    def next_block(self, final: bool) -> array[int] | None:
        """Return the tokens of the next block, or None if there must be more uncompressed data first.

        `final` says that there is no more; then what is left becomes the last block, maybe without tokens.
        """
        if self._last:
            return None
        ending: cython.bint = final
        if self._filled:
            self._filled = False
            self._begin()
        complete: cython.bint = self._search(ending)
        if not complete and ending:  # zlib-ng slides even at the end
            self._slide()
            complete = self._search(True)
        if not complete:
            return None
        tokens = self._token_array[: self._count]
        self._source = self._uncompressed[self._block : self._cut] if self._block >= 0 else None
        self._block = self._cut
        self._count = 0
        return tokens

    @cython.cfunc
    def _slide(self) -> cython.void:
        if self._found < _WINDOW:
            self._previous = 0
        self.drop_half()
        self._index -= _WINDOW
        self._block -= _WINDOW
        self._cut -= _WINDOW

    @cython.cfunc
    def _begin(self) -> cython.void:
        """Enter the byte before `_index` again, as zlib-ng does whenever it has filled the window."""
        if self._end - self._index < _STANDARD:
            return
        if self._rolling:
            self._rolled = (self._window[self._index] << 5 ^ self._window[self._index + 1]) & 0x7FFF
        elif self._index:
            self.enter(self._index - 1)

    @cython.cfunc
    def _search(self, final: cython.bint) -> cython.bint:
        """Go on with the block; return whether it is whole."""
        complete: cython.bint
        with cython.nogil:
            if self._strategy == _MEDIUM:
                complete = self._medium_block(final)
            elif self._strategy == _SLOW:
                complete = self._slow_block(final)
            else:
                complete = self._fast_block(final)
        return complete

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _is_match(self, head: cython.int) -> cython.bint:
        """Whether a chain has a position that a match at `_index` may begin at."""
        return head != 0 and 0 < self._index - head <= _FARTHEST

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put(self, token: cython.uint) -> cython.bint:
        """Append a token; return whether the block is full."""
        self._tokens[self._count] = token
        self._count += 1
        return self._count == self._full

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _end_stream(self) -> cython.bint:
        self._cut = self._index
        self._last = True
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _fast_block(self, final: cython.bint) -> cython.bint:
        whole: cython.bint = False
        ahead: cython.int
        head: cython.int
        length: cython.int
        while not whole:
            ahead = self._end - self._index
            if ahead < _LOOKAHEAD:
                if not final or self._index >= _SLIDE:
                    return False
                if ahead == 0:
                    return self._end_stream()
            length = 0
            if ahead >= _SHORTEST:
                head = self.enter(self._index)
                if self._is_match(head):
                    length = self.longest(self._index, head, ahead, _NONE)
            if length >= _SHORTEST:
                whole = self._put(cython.cast(cython.uint, length) << 16 | (self._index - self._found))
                if length <= self._lazy and ahead - length >= _SHORTEST:
                    self.enter_range(self._index + 1, self._index + length)
                else:
                    self.enter(self._index + length - 1)
                self._index += length
            else:
                whole = self._put(self._window[self._index])
                self._index += 1
        self._cut = self._index
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _medium_block(self, final: cython.bint) -> cython.bint:
        whole: cython.bint = False
        ahead: cython.int
        head: cython.int
        start: cython.int
        found: cython.int
        length: cython.int
        origin: cython.int
        given: cython.int
        while not whole:
            ahead = self._end - self._index
            if ahead < _LOOKAHEAD:
                self._next_length = 0
                if not final or self._index >= _SLIDE:
                    return False
                if ahead == 0:
                    return self._end_stream()
            start = self._index
            if self._looks_on and self._next_length:
                found = self._next_found
                length = self._next_length
                origin = self._origin
            else:
                found = 0
                length = 1
                origin = start
                head = self.enter(start) if ahead >= _SHORTEST else 0
                if self._is_match(head):
                    length = self.longest(start, head, ahead, _NONE)
                    found = self._found
                    if length < _SHORTEST or found >= start:
                        length = 1
            if length > 1 and ahead > length + _SHORTEST:
                if self._enters_all or length <= 16 * self._lazy:
                    self.enter_range(max(start + 1, origin), start + length)
                else:
                    self.enter(start + length - 1)
            self._next_length = 0
            if self._looks_on and ahead > _LOOKAHEAD and start + length < _SLIDE:
                self._index = start + length
                self._look_on(ahead)
                self._index = start
                if self._next_length > 1:
                    given = self._given(length)
                    length -= given
                    self._next -= given
                    self._next_found -= given
                    self._next_length += given
            if length >= _SHORTEST:
                whole = self._put(cython.cast(cython.uint, length) << 16 | (start - found))
            elif length:
                whole = self._put(self._window[start])
            self._index = start + length
        self._cut = self._index
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _look_on(self, ahead: cython.int) -> cython.void:
        """Find the match that follows, at `_index`."""
        head: cython.int = self.enter(self._index)
        self._next = self._origin = self._index
        self._next_found = 0
        self._next_length = 1
        if self._is_match(head):
            self._next_length = self.longest(self._index, head, ahead, _NONE)
            self._next_found = self._found
            if self._next_length < _SHORTEST or self._next_found >= self._next:
                self._next_length = 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _given(self, length: cython.int) -> cython.int:
        """Return how many bytes a match of `length` gives to the one that follows: all but one, or all, or none."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        at: cython.int = self._next
        there: cython.int = self._next_found
        limit: cython.int = max(at - _FARTHEST, 0)
        given: cython.int = 0
        if length <= 1 or length > 1 + there or length > 1 + at:
            return 0
        if window[there - length + 1] != window[at - length + 1]:
            return 0
        while (
            window[there - given - 1] == window[at - given - 1]
            and length - given >= 1
            and at - given > limit
            and self._next_length + given < 256
            and there - given > 1
        ):
            given += 1
        if given == 0 or length - given > 1:
            return 0
        self._origin += 1
        return given

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _slow_block(self, final: cython.bint) -> cython.bint:
        whole: cython.bint = False
        ahead: cython.int
        head: cython.int
        before: cython.int
        length: cython.int
        end: cython.int
        while not whole:
            ahead = self._end - self._index
            if ahead < _LOOKAHEAD:
                if not final or self._index >= _SLIDE:
                    return False
                if ahead == 0:
                    if self._waiting:
                        self._put(self._window[self._index - 1])
                        self._waiting = False
                    return self._end_stream()
            head = self.enter(self._index) if ahead >= _SHORTEST else 0
            before = self._found
            length = _NONE
            if self._is_match(head) and self._previous < self._lazy:
                length = max(self._previous, length)
                if self._rolling:
                    length = self.longest_of_all(self._index, head, ahead, length)
                else:
                    length = self.longest(self._index, head, ahead, length)
            if self._previous >= _STANDARD and length <= self._previous:
                whole = self._put(cython.cast(cython.uint, self._previous) << 16 | (self._index - 1 - before))
                end = self._index - 1 + self._previous
                self.enter_range(self._index + 1, min(end, self._end - _STANDARD + 1))
                self._index = end
                self._previous = 0
                self._waiting = False
            else:
                if self._waiting:
                    whole = self._put(self._window[self._index - 1])
                self._cut = self._index
                self._previous = length
                self._waiting = True
                self._index += 1
                continue
            self._cut = self._index
        return True
