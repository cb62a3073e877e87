# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: `_make_room` is asked for the sequences of a block, of numbers of at most _NUMBER bytes, before they are
# written; a match ends within its block of at most MAX_BLOCK, and words and copies by 8 overrun into SLACK.
"""Sequences as columns of bytes, and back (spec/ENCODERS.md, Decisions). Columns are not trusted."""

from __future__ import annotations

from collections.abc import Callable

import cython

from airpatch.encoders.kzstd_sequences import MAX_BLOCK, MAX_SEQUENCES, SLACK
from airpatch.encoders.zstd_alignment import no_alignment
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load64
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import put_literals
    from cython.cimports.airpatch.encoders.zstd_alignment import Alignment
    from cython.cimports.airpatch.encoders.zstd_recurrence import RECURRING, Recurrence
else:
    from airpatch.byte_access import load64
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import put_literals
    from airpatch.encoders.zstd_alignment import Alignment
    from airpatch.encoders.zstd_recurrence import RECURRING, Recurrence

RUNS, HITS, OFFSETS, MATCHES = range(4)
"""Columns: runs and match lengths, offsets foretold, the others, and matches as `zstd_alignment` wants them."""
_MAX_SEQUENCES = cython.declare(cython.int, MAX_SEQUENCES)
_MIN_MATCH = cython.declare(cython.int, 3)
_NUMBER = 10  # bytes of a number, at most
_RECORD = cython.declare(cython.int, 16)
_OTHER = cython.declare(cython.longlong, 0)  # an offset that is coded as the second one foretold
_NOTHING = cython.declare(cython.longlong, -1)
_ENDLESS = cython.declare(cython.longlong, 1 << 62)
_REFILL = 64 << 10


@cython.cclass
class Offsets:
    """Offsets as they are coded (RFC 8878 3.1.1.5): the last three, and what is foretold. Types are in the .pxd."""

    def __init__(self, alignment: Alignment | None) -> None:
        self._alignment = alignment or no_alignment()
        self._recurrence = Recurrence()
        self.likely = self.other = 1
        self.reset(0)

    def reset(self, position: int) -> None:
        """Begin another frame at `position`."""
        self._first = 1
        self._second = 4
        self._third = 8
        self._recurrence.reset(position)

    def make_room(self) -> None:
        """Take the memory that foretelling needs, unless it is there."""
        self._recurrence.make_room()

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def foretell(
        self, position: cython.longlong, literals: cython.uint, word: cython.ulonglong, left: cython.int
    ) -> cython.void:
        """Say how the offset of a match at `position` is `likely` coded, and how it is if not so.

        `word` is the content from there on, of which the block has `left` bytes. There must be room.
        """
        aligned: cython.longlong = self._alignment.offset(position)
        recurring: cython.longlong = self._recurrence.offset(position, word) if left >= RECURRING else 0
        if aligned and (recurring == 0 or self._alignment.exact):
            self.likely = self._coded(aligned, literals)
            self.other = self._coded(recurring, literals)
        else:
            self.likely = self._coded(recurring, literals)
            self.other = self._coded(aligned, literals)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _coded(self, offset: cython.longlong, literals: cython.uint) -> cython.longlong:
        """Return how an offset is coded; 1 if it is none."""
        if offset == 0:
            return 1
        if literals:
            if offset == self._first:
                return 1
            return 2 if offset == self._second else 3 if offset == self._third else offset + 3
        if offset == self._second:
            return 1
        return 2 if offset == self._third else 3 if offset == self._first - 1 else offset + 3

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def take(self, value: cython.longlong, position: cython.longlong, literals: cython.uint) -> cython.longlong:
        """Return the offset that is coded as `value`, and remember it, after what was foretold for it."""
        offset: cython.longlong = self._decoded(value, literals)
        self._alignment.learn(position, offset)
        return offset

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _decoded(self, value: cython.longlong, literals: cython.uint) -> cython.longlong:
        offset: cython.longlong
        if value > 3:
            offset = value - 3
            self._third = self._second
            self._second = self._first
            self._first = offset
            return offset
        if literals == 0:
            value += 1
        if value == 1:
            return self._first
        if value == 2:
            offset = self._second
        else:
            offset = self._third if value == 3 else self._first - 1
            self._third = self._second
        self._second = self._first
        self._first = offset
        return offset


@cython.cclass
class ColumnWriter:
    """Appends blocks of sequences to columns."""

    def __init__(self, alignment: Alignment | None = None) -> None:
        self._offsets = Offsets(alignment)
        self._make_room(1)
        self._position = 0
        self._run = 0
        self._hit = 0

    def reset(self) -> None:
        """Begin another frame."""
        self._offsets.reset(self._position)

    def skip(self, size: int) -> None:
        """Take a block without sequences, of `size` bytes."""
        self._position += size
        self._run += size

    def _make_room(self, sequences: int) -> None:
        """Make buffers for so many sequences: most frames are small, and many are read."""
        self._room = sequences
        self._buffers = [bytearray(sequences * size) for size in (2 * _NUMBER, _NUMBER, _NUMBER, _RECORD)]
        self._runs, self._hits, self._values, self._matches = self._buffers

    def block(self, found: Sequences, content: bytes | None = None) -> list[bytes]:
        """Return what the sequences of a block add to each column.

        Without the block's `content`, offsets are not foretold, and their columns stay empty.
        """
        ends: cython.int[4]
        ends = [0, 0, 0, 0]
        size: cython.int = -1 if content is None else len(content)
        data = (content or b"") + bytes(SLACK)
        view: cython.const[cython.uchar][::1] = data
        if found.count > self._room:
            self._make_room(found.count)
        if content is not None:
            self._offsets.make_room()
        with cython.nogil:
            self._block(found, ends, cython.address(view[0]) if cython.compiled else view, size)
        return [bytes(memoryview(buffer)[: ends[i]]) for i, buffer in enumerate(self._buffers)]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _block(
        self,
        found: Sequences,
        ends: cython.p_int,
        content: cython.pointer(cython.const[cython.uchar]),
        size: cython.int,
    ) -> cython.void:
        """Write what the sequences are in columns; `size` is that of the content, -1 if it is not known."""
        runs: cython.p_uchar = cython.address(self._runs[0]) if cython.compiled else self._runs
        hits: cython.p_uchar = cython.address(self._hits[0]) if cython.compiled else self._hits
        values: cython.p_uchar = cython.address(self._values[0]) if cython.compiled else self._values
        matches: cython.p_uchar = cython.address(self._matches[0]) if cython.compiled else self._matches
        at_runs: cython.int = 0
        at_hits: cython.int = 0
        at_values: cython.int = 0
        at_matches: cython.int = 0
        left: cython.longlong = found.literal_count
        length: cython.uint
        literals: cython.uint
        value: cython.longlong
        offset: cython.longlong
        word: cython.ulonglong
        begin: cython.longlong = self._position
        rest: cython.int
        i: cython.int
        for i in range(found.count):
            literals = found.literal_lengths[i]
            length = found.match_lengths[i]
            value = found.offsets[i]
            self._position += literals
            left -= literals
            at_runs = _put(runs, at_runs, self._run + literals)
            at_runs = _put(runs, at_runs, length)
            self._run = 0
            if size >= 0:
                rest = size - cython.cast(cython.int, self._position - begin)
                word = load64(content, self._position - begin) if rest >= RECURRING else 0
                self._offsets.foretell(self._position, literals, word, rest)
                if value == self._offsets.likely:
                    self._hit += 1
                else:
                    at_hits = _put(hits, at_hits, self._hit)
                    at_values = _put(values, at_values, _OTHER if value == self._offsets.other else value)
                    self._hit = 0
            offset = self._offsets.take(value, self._position, literals)
            at_matches = _put_word(matches, at_matches, self._position, 8)
            at_matches = _put_word(matches, at_matches, length + _MIN_MATCH, 4)
            at_matches = _put_word(matches, at_matches, offset, 4)
            self._position += length + _MIN_MATCH
        self._position += left
        self._run += left
        ends[0] = at_runs
        ends[1] = at_hits
        ends[2] = at_values
        ends[3] = at_matches


@cython.cclass
class Column:
    """Numbers out of a stream of bytes."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._data = b"\0"
        self._view = self._data
        self._at = 0
        self._end = 0

    @cython.cfunc
    @cython.exceptval(-2)
    def number(self) -> cython.longlong:
        """Return the next number, -1 if there is none."""
        value: cython.longlong = 0
        shift: cython.int = 0
        byte: cython.int
        while True:
            if self._at == self._end:
                self._data = self._read(_REFILL)
                self._end = len(self._data)
                self._at = 0
                if self._end == 0:
                    if shift:
                        raise FormatError("zstd: a number that is cut short")
                    return -1
                self._view = self._data
            byte = self._view[self._at]
            self._at += 1
            value |= cython.cast(cython.longlong, byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 35:
                raise FormatError("zstd: a number that is too large")

    def at_end(self) -> bool:
        """Return whether all has been read."""
        return self._at == self._end and not self._read(1)


@cython.cclass
class ColumnReader:
    """Blocks of sequences out of columns."""

    def __init__(
        self,
        runs: Callable[[int], bytes],
        hits: Callable[[int], bytes],
        offsets: Callable[[int], bytes],
        alignment: Alignment | None = None,
    ) -> None:
        self._offsets = Offsets(alignment)
        self._offsets.make_room()
        self._runs = Column(runs)
        self._hits = Column(hits)
        self._values = Column(offsets)
        self._buffer = bytearray(MAX_BLOCK + SLACK)
        self._plain = self._buffer
        self._position = 0
        self._match = self._runs.number()
        self._hit = self._next_hit()

    def reset(self) -> None:
        """Begin another frame."""
        self._offsets.reset(self._position)

    def skip(self, size: int) -> None:
        """Take a block without sequences, of `size` bytes."""
        self._position += size
        if 0 <= self._match < self._position:
            raise FormatError("zstd: a match where a block has none")

    def close(self) -> None:
        """Raise FormatError unless all columns have been used."""
        if self._match >= 0 or not self._values.at_end() or self._hit < _ENDLESS >> 1:
            raise FormatError("zstd: sequences beyond the last block")

    @cython.cfunc
    @cython.exceptval(-2)
    def _next_hit(self) -> cython.longlong:
        hit: cython.longlong = self._hits.number()
        return hit if hit >= 0 else _ENDLESS

    def block(self, found: Sequences, uncompressed: bytes) -> None:
        """Fill `found` with the sequences and literals of a block of `uncompressed`."""
        size: cython.int = len(uncompressed)
        begin: cython.longlong = self._position
        end: cython.longlong = begin + size
        at: cython.longlong = begin
        count: cython.int = 0
        literals: cython.longlong
        length: cython.longlong
        value: cython.longlong
        run: cython.longlong
        word: cython.ulonglong
        rest: cython.int
        plain: cython.p_uchar = cython.address(self._plain[0]) if cython.compiled else self._plain
        out: cython.p_uchar = cython.address(found.literals[0]) if cython.compiled else found.literals
        written: cython.int = 0
        self._buffer[:size] = uncompressed
        while 0 <= self._match < end:
            if count == _MAX_SEQUENCES:
                raise FormatError("zstd: more sequences than a block has room for")
            literals = self._match - at
            length = self._runs.number()
            if length < 0 or self._match + length + _MIN_MATCH > end:
                raise FormatError("zstd: a match that goes on after its block")
            written = put_literals(
                out, written, plain, cython.cast(cython.int, at - begin), cython.cast(cython.int, self._match - begin)
            )
            rest = cython.cast(cython.int, end - self._match)
            word = load64(plain, self._match - begin) if rest >= RECURRING else 0
            self._offsets.foretell(self._match, cython.cast(cython.uint, literals), word, rest)
            if self._hit:
                value = self._offsets.likely
                self._hit -= 1
            else:
                value = self._values.number()
                if value == _OTHER:
                    value = self._offsets.other
                self._hit = self._next_hit()
            if not 0 < value < 1 << 32:
                raise FormatError("zstd: an offset that there is not")
            self._offsets.take(value, self._match, cython.cast(cython.uint, literals))
            found.literal_lengths[count] = cython.cast(cython.uint, literals)
            found.match_lengths[count] = cython.cast(cython.uint, length)
            found.offsets[count] = cython.cast(cython.uint, value)
            count += 1
            at = self._match + length + _MIN_MATCH
            run = self._runs.number()
            self._match = at + run if run >= 0 else _NOTHING
        found.literal_count = put_literals(out, written, plain, cython.cast(cython.int, at - begin), size)
        found.count = count
        self._position = end


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _put(out: cython.p_uchar, at: cython.int, number: cython.longlong) -> cython.int:
    while number > 127:
        out[at] = number & 127 | 128
        at += 1
        number >>= 7
    out[at] = number
    return at + 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _put_word(out: cython.p_uchar, at: cython.int, number: cython.longlong, size: cython.int) -> cython.int:
    i: cython.int
    for i in range(size):
        out[at + i] = number >> 8 * i & 0xFF
    return at + size
