# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""What an encoder decided about the same bytes before: a search for matches that is not made twice.

An encoder that looks back 32 KiB and ahead 258 bytes decides alike wherever these bytes are alike. So where what is
compressed has been in another file of the same encoder, the tokens of that file can be taken over. That holds for
encoders whose chains get every byte, at positions where a token begins in both and a match ends before it: nothing
waits there to be compared with the next match. Within 261 bytes before a multiple of the window in either file, some
encoders have moved their window and look back less far. There it holds where no match begins in what one of them did
not see.

The tokens come as they are read out of the other file, in order, so memory is bounded: what has moved to an earlier
place is searched anew. If the other file is not of the same encoder, the tokens taken over are wrong ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

import cython

from airpatch.deflate.tables import LONG_258, WINDOW

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, load32, load64
else:
    from airpatch.byte_access import common, load32, load64

TokenPieces = Iterator[tuple[int, "array[int]"]]
"""Tokens in the order of the file, with the position of the first one of each piece in the uncompressed content."""

NEVER = 1 << 62

_NEVER = cython.declare(cython.longlong, NEVER)
_WINDOW = cython.declare(cython.longlong, WINDOW)
_RING = cython.declare(cython.longlong, WINDOW - 1)  # of a position, where it is between multiples of the window
_EDGE = cython.declare(cython.longlong, 261)  # bytes before a multiple of it, of which less may be seen
_FAR_MATCH = cython.declare(cython.longlong, 4)  # bytes of a match that nobody takes from so far away
_LONGEST = cython.declare(cython.longlong, 258)
_AHEAD = cython.declare(cython.longlong, 264)  # bytes that are looked at behind a match
_LEAST = cython.declare(cython.longlong, WINDOW + 1024)  # bytes of a stretch that is worth it
_BLOCK = cython.declare(cython.longlong, 512)  # of a tar
_SPACING = cython.declare(cython.longlong, 4096)  # between the blocks of the content that are indexed
_RELEASE_EVERY = cython.declare(cython.longlong, 1 << 25)  # bytes between two calls of `release_pages`
_PROBE = cython.declare(cython.longlong, 64)  # bytes by which a stretch is told
_MIXER = cython.declare(cython.ulonglong, 0xC2B2AE3D27D4EB4F)  # an odd constant, of xxHash
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_MARK = cython.declare(cython.uint, LONG_258)


@cython.cclass
class Precedent:
    """The uncompressed `content` of the other file, and its tokens.

    `take` is told all bytes that are compressed, in order, and some before `follow` is asked about them: what comes
    next decides how far it goes. `release_pages` is called now and then while the content is indexed: a caller that
    maps a file into memory may drop its pages then.
    """

    # A stretch is a tuple: where it begins and ends in what is compressed, and how much farther it is in the content.
    # In bounds: what is compared or loaded is within `_content` and the data; tokens are read up to the length of the
    # piece and written up to the room there is.

    def __init__(
        self, content: memoryview, pieces: TokenPieces, release_pages: Callable[[], None] = lambda: None
    ) -> None:
        self._content = content
        self._pieces = pieces
        self._piece = array("I")
        self._tokens = self._piece
        self._at = 0  # of the tokens, the next one
        self._position = 0  # where that one begins in the content
        self._after_match = True
        self._stretches: list[tuple[int, int, int]] = []
        self._growing = True  # the last stretch may go on
        self._start = self._shift = self._known = self._useful = 0
        self._approved = self._shift_approved = 0  # up to there tokens may be taken over, from the next one on
        self.edges = False  # whether the encoder looks back less far before a multiple of the window; it says so
        self.end = 0  # where what was followed ends
        self.next = 0  # where to ask again
        self._bits = max((len(content) >> 11).bit_length(), 4)
        self._table = array("Q", [0]) * (1 << self._bits)  # the number of a block from 1 on, below a tag of 32 bits
        if len(content) >= _LEAST:
            self._index(release_pages)

    def _index(self, release_pages: Callable[[], None]) -> None:
        """Enter one block in so many of the content, the first ones of those that are equal."""
        at: cython.longlong
        slot: cython.longlong
        hash_: cython.ulonglong
        released: cython.longlong = 0
        content: cython.const[cython.uchar][::1] = self._content
        for at in range(0, len(content) - _PROBE + 1, _SPACING):
            hash_ = _hash(content, at)
            slot = hash_ & ((1 << self._bits) - 1)
            if hash_ and self._table[slot] == 0:
                self._table[slot] = hash_ >> 32 << 32 | (1 + at // _SPACING)
            if at - released >= _RELEASE_EVERY:
                released = at
                release_pages()
        release_pages()

    def take(self, data: cython.const[cython.uchar][::1]) -> None:
        """Compare the next bytes that are compressed with the content."""
        size: cython.Py_ssize_t = len(data)
        at: cython.Py_ssize_t = 0
        there: cython.longlong
        same: cython.Py_ssize_t
        skip: cython.longlong
        while at < size:
            if self._growing:
                there = self._known + self._shift
                same = min(size - at, len(self._content) - there)
                if same > 0:
                    same = self._same(there, data, at, same)
                at += same
                self._known += same
                if at == size:
                    break
                self._end_stretch()
            skip = min(-self._known % _BLOCK, size - at)
            at += skip
            self._known += skip
            if at < size and not self._begin(data, at):
                skip = min(_BLOCK, size - at)
                at += skip
                self._known += skip

    def followed(self) -> int:
        """Return about how many of the bytes taken so far need not be searched."""
        return self._useful + max(self._known - self._start - _WINDOW if self._growing else 0, 0)

    def _begin(self, data: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.bint:
        """Begin a stretch with the block at `at`, if the content has it where it is expected or indexed."""
        there: cython.longlong
        hash_: cython.ulonglong
        entry: cython.ulonglong
        tries: cython.int
        size: cython.longlong = len(self._content)
        if len(data) - at < _PROBE or size < _LEAST:
            return False
        there = self._known + self._shift
        for tries in range(2):
            if 0 <= there <= size - _PROBE and self._same(there, data, at, _PROBE) == _PROBE:
                self._shift = there - self._known
                self._start = self._known
                self._growing = True
                return True
            if tries == 0:
                hash_ = _hash(data, at)
                entry = self._table[hash_ & ((1 << self._bits) - 1)]
                if not hash_ or (entry ^ hash_) >> 32:  # else pages all over the content would be read
                    break
                there = (cython.cast(cython.longlong, entry & 0xFFFFFFFF) - 1) * _SPACING
        return False

    def _same(
        self,
        there: cython.Py_ssize_t,
        data: cython.const[cython.uchar][::1],
        at: cython.Py_ssize_t,
        limit: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """Return how many bytes agree from `there` in the content and from `at` in `data`: at most `limit`, not 0."""
        content: cython.p_uchar
        bytes_: cython.p_uchar
        if cython.compiled:
            content = cython.cast(cython.p_uchar, cython.address(self._content[0]))
            bytes_ = cython.cast(cython.p_uchar, cython.address(data[0]))
        else:
            content, bytes_ = self._content, data
        return common(content, there, bytes_, at, limit)

    def _end_stretch(self) -> None:
        self._growing = False
        if self._known - self._start >= _LEAST or self._start == self._shift == 0:
            self._stretches.append((self._start, self._known, self._shift))
            self._useful += max(self._known - self._start - _WINDOW, 0)

    def follow(
        self,
        position: cython.longlong,
        tokens: cython.p_uint,
        count: cython.Py_ssize_t,
        room: cython.Py_ssize_t,
        limit: cython.longlong,
    ) -> cython.Py_ssize_t:
        """Put tokens for the bytes from `position` into `tokens` at `count`, at most `room`, and none that begins at
        `limit` or behind it; return how many.

        What was followed ends before `position`, or a match. `end` is where the tokens end, `next` where to ask again:
        if that is the same, nothing is to be searched before, even if no match ends there.
        """
        here: cython.longlong = position
        taken: cython.Py_ssize_t = 0
        told: cython.p_uint
        token: cython.uint
        while taken < room:
            if here >= self._approved and not self._approve(here):
                self.end = here
                return taken
            if here >= limit:
                break
            told = cython.address(self._tokens[0]) if cython.compiled else self._tokens
            while taken < room and here < min(limit, self._approved):
                token = told[self._at]
                tokens[count + taken] = token
                here += token >> 16 if token > 0xFF else 1
                self._at += 1
                taken += 1
            self._position = here + self._shift_approved
        self.end = self.next = here
        return taken

    def _approve(self, position: cython.longlong) -> cython.bint:
        """Look how far the tokens at hand can be taken over, up to the end of a match; return whether there is one.

        If there is none, `next` is where to ask again.
        """
        start: cython.longlong
        end: cython.longlong
        shift: cython.longlong
        here: cython.longlong = position
        ahead: cython.Py_ssize_t
        token: cython.uint
        length: cython.longlong
        self.next = position + _BLOCK
        while self._stretches and self._stretches[0][1] - _AHEAD <= position:
            del self._stretches[0]
        if self._stretches:
            start, end, shift = self._stretches[0]
        elif self._growing:
            start, end, shift = self._start, self._known, self._shift
        else:
            return False
        if start or shift:
            start += _WINDOW
        end -= _AHEAD
        if position < start:
            self.next = start
            return False
        if not self._go_to(position + shift):
            self.next = _NEVER
            return False
        if self._position != position + shift or not self._after_match:
            self.next = position + max(1, self._position - position - shift)
            return False
        edges: cython.bint = self.edges and shift & _RING != 0
        self._shift_approved = shift
        ahead = self._at
        while True:
            if ahead == len(self._tokens):
                if self._approved > position:
                    break
                ahead -= self._at
                if not self._more(here + shift):
                    break
            token = self._tokens[ahead]
            length = token >> 16 if token > 0xFF else 1
            if here + length > end or token >= _MARK:
                break
            if edges and (_is_near(here) or _is_near(here + shift)) and self._is_hidden(here, shift, token):
                break
            here += length
            ahead += 1
            if token > 0xFF:
                self._approved = here
        self.next = position + 1
        return self._approved > position

    def _is_hidden(self, position: cython.longlong, shift: cython.longlong, token: cython.uint) -> cython.bint:
        """Return whether a search for the `token` at `position` may have been decided by what only one of both saw.

        An encoder searches where a token begins, and behind the first byte of a match. Before a multiple of the window
        it has not seen what lies a window and more before that. Of the two files, one at most is there: `shift` is a
        multiple of `_BLOCK`.
        """
        content: cython.p_const_uchar = (
            cython.cast(cython.p_const_uchar, cython.address(self._content[0])) if cython.compiled else self._content
        )
        length: cython.longlong = token >> 16 if token > 0xFF else _FAR_MATCH
        other: cython.longlong
        ahead: cython.longlong
        candidate: cython.longlong
        word: cython.uint
        limit: cython.longlong
        for other in range(position + shift, position + shift + (2 if token > 0xFF else 1)):
            ahead = _WINDOW - max(other & _RING, other - shift & _RING)
            if ahead <= _EDGE:
                word = load32(content, other)
                limit = min(_LONGEST, len(self._content) - other)
                for candidate in range(other - _WINDOW, other - _WINDOW + ahead):
                    if load32(content, candidate) == word and (
                        candidate == other - (token & 0xFFFF)
                        or common(content, candidate, content, other, limit) > length
                    ):
                        return True
        return False

    def _go_to(self, position: cython.longlong) -> cython.bint:
        """Go to the first token that begins at `position` or behind it; return whether there is one."""
        token: cython.uint
        while self._position < position:
            if self._at == len(self._tokens):
                if not self._more(self._position) and not len(self._tokens):
                    return False
                continue
            token = self._tokens[self._at]
            self._after_match = token > 0xFF
            self._position += token >> 16 if token > 0xFF else 1
            self._at += 1
        return True

    def _more(self, end: cython.longlong) -> cython.bint:
        """Get more tokens, the current ones of which end at `end`; return whether those that come follow upon them.

        If they do not, the current ones are dropped; if there are none, nothing is left.
        """
        found = next(self._pieces, None)
        if found is None:
            self._piece = self._tokens = array("I")
            self._at = 0
            self._position = _NEVER
            return False
        position, piece = found
        follows = position == end
        if follows:
            piece = self._piece[self._at :] + piece
        else:
            self._position = position
            self._after_match = False
        self._piece = self._tokens = piece
        self._at = 0
        return follows and len(piece) > 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_near(position: cython.longlong) -> cython.bint:
    """Return whether a search for a token that begins at `position` may reach less far."""
    return position & _RING >= _RING - _EDGE


@cython.cfunc
@cython.exceptval(check=False)
def _hash(data: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    """Return a hash of the block at `at`; 0 if it begins with the same bytes again and again."""
    bytes_: cython.p_uchar = cython.cast(cython.p_uchar, cython.address(data[0])) if cython.compiled else data
    h: cython.ulonglong = load64(bytes_, at)
    word: cython.ulonglong
    alike: cython.bint = True
    i: cython.int
    for i in range(8, _PROBE, 8):
        word = load64(bytes_, at + i)
        alike = alike and word == load64(bytes_, at)
        h = ((h ^ word) * _MIXER) & _MASK64
        h ^= h >> 32
    return 0 if alike else h
