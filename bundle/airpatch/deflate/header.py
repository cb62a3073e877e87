"""The header of a dynamic block as a value: code lengths, and how exactly they are spelt (RFC 1951 3.2.7).

One set of code lengths has many spellings: where trailing zeros end, which runs are used, how the code length
code is built. `zlib_header` and `go_header` spell as those two families do; `DynamicHeader` can hold any
spelling.

A run is one byte: 0..15 a code length; 16..19 the last length again, 3 to 6 times; 20..27 zeros, 3 to 10;
28..155 zeros, 11 to 138.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import cython

from airpatch.deflate.huffman import go_lengths, zlib_lengths
from airpatch.deflate.tables import CODE_LENGTH_ORDER, CODE_LENGTH_SYMBOLS, MAX_BITS, MAX_CODE_LENGTH_BITS
from airpatch.errors import FormatError

REPEAT, ZEROS, MANY_ZEROS = 16, 20, 28  # first run byte of each kind
RUN_VALUES = MANY_ZEROS + 128

# Per run byte: symbol of the code length alphabet, value and width of its extra bits, and the repetitions it
# stands for.
RUN_SYMBOL = bytes([*range(16), *[16] * 4, *[17] * 8, *[18] * 128])
RUN_EXTRA = bytes([*[0] * 16, *range(4), *range(8), *range(128)])
RUN_EXTRA_BITS = bytes([*[0] * 16, *[2] * 4, *[3] * 8, *[7] * 128])
RUN_REPEATS = bytes([*[1] * 16, *range(3, 7), *range(3, 11), *range(11, 139)])

# Constants again, as integers of C.
_REPEAT = cython.declare(cython.int, REPEAT)
_ZEROS = cython.declare(cython.int, ZEROS)
_MANY_ZEROS = cython.declare(cython.int, MANY_ZEROS)
_RUN_VALUES = cython.declare(cython.int, RUN_VALUES)
_RUN_SYMBOL = cython.declare(cython.const[cython.uchar][::1], RUN_SYMBOL)
_RUN_EXTRA_BITS = cython.declare(cython.const[cython.uchar][::1], RUN_EXTRA_BITS)
_RUN_REPEATS = cython.declare(cython.const[cython.uchar][::1], RUN_REPEATS)


@dataclass(frozen=True, slots=True)
class DynamicHeader:
    """A dynamic block's header after its three first bits.

    `runs` spells `literal_count` + `distance_count` code lengths; `run_lengths` are the 19 code lengths of
    the code that the runs are sent with, of which the first `run_length_count` in the order of RFC 1951 are
    sent.
    """

    literal_count: int  # HLIT + 257: 257..286
    distance_count: int  # HDIST + 1: 1..30
    run_length_count: int  # HCLEN + 4: 4..19
    run_lengths: bytes
    runs: bytes

    def lengths(self) -> tuple[bytes, bytes]:
        """Return the literal/length and the distance code lengths.

        Raises FormatError if the runs do not fit.
        """
        return _lengths(self.runs, self.literal_count, self.distance_count)

    @property
    def bits(self) -> int:
        """Size in bits, without the block's three first bits. Raises ValueError if a code or a run is none."""
        return 5 + 5 + 4 + 3 * self.run_length_count + _run_bits(self.runs, self.run_lengths)


def _run_bits(runs: bytes, run_lengths: bytes) -> int:
    bits: cython.int = 0
    at: cython.Py_ssize_t
    run: cython.int
    if len(run_lengths) != CODE_LENGTH_SYMBOLS:
        raise ValueError("a malformed code of code lengths")
    for at in range(len(runs)):
        run = runs[at]
        if run >= _RUN_VALUES:
            raise ValueError("a malformed run of code lengths")
        bits += run_lengths[_RUN_SYMBOL[run]] + _RUN_EXTRA_BITS[run]
    return bits


def _lengths(runs: bytes, literal_count: cython.int, distance_count: cython.int) -> tuple[bytes, bytes]:
    wanted: cython.int = literal_count + distance_count
    lengths = bytearray(wanted)
    view: cython.uchar[::1] = lengths
    size: cython.int = 0
    i: cython.int
    at: cython.Py_ssize_t
    run: cython.int
    repeats: cython.int
    for at in range(len(runs)):
        run = runs[at]
        if run >= _RUN_VALUES or (REPEAT <= run < _ZEROS and not size):
            raise FormatError("malformed run of code lengths")
        repeats = _RUN_REPEATS[run]
        if run < _ZEROS:
            for i in range(size, min(size + repeats, wanted)):
                view[i] = run if run < _REPEAT else view[i - 1]
        size += repeats
    if size != wanted:
        raise FormatError("runs of code lengths do not add up")
    return bytes(lengths[:literal_count]), bytes(lengths[literal_count:])


def zlib_dynamic(literal_counts: array[int], distance_counts: array[int]) -> DynamicHeader:
    """Return the header that zlib writes for these counts of symbols (286 and 30 entries, typecode "I")."""
    return zlib_header(zlib_lengths(literal_counts, MAX_BITS), zlib_lengths(distance_counts, MAX_BITS))


def go_dynamic(literal_counts: array[int], distance_counts: array[int]) -> DynamicHeader:
    """Return the header that Go writes for these counts of symbols (286 and 30 entries, typecode "I").

    Without any distance, distance symbol 0 counts as used once.
    """
    if not any(distance_counts):
        distance_counts = array("I", [1])
    return go_header(go_lengths(literal_counts, MAX_BITS), go_lengths(distance_counts, MAX_BITS))


def zlib_header(literal_lengths: bytes, distance_lengths: bytes) -> DynamicHeader:
    """Spell code lengths as zlib does (`scan_tree`, `build_bl_tree`): runs end with the literal alphabet.

    Trailing zeros of both alphabets are not sent.
    """
    literals = _trimmed(literal_lengths, 257)
    distances = _trimmed(distance_lengths, 1)
    runs = _zlib_runs(literals) + _zlib_runs(distances)
    return _with_run_code(literals, distances, runs, zlib_lengths(_run_counts(runs), MAX_CODE_LENGTH_BITS))


def go_header(literal_lengths: bytes, distance_lengths: bytes, *, trim: bool = True) -> DynamicHeader:
    """Spell code lengths as Go's `generateCodegen` does: runs may reach from literals into distances.

    Trailing zeros of both alphabets are not sent, unless `trim` is false.
    """
    literals = _trimmed(literal_lengths, 257) if trim else literal_lengths
    distances = _trimmed(distance_lengths, 1) if trim else distance_lengths
    runs = _go_runs(literals + distances)
    return _with_run_code(literals, distances, runs, go_lengths(_run_counts(runs), MAX_CODE_LENGTH_BITS))


def _trimmed(lengths: bytes, at_least: int) -> bytes:
    return lengths[: max(at_least, len(lengths.rstrip(b"\0")))]


def _run_counts(runs: bytes) -> array[int]:
    counts = array("I", bytes(4 * CODE_LENGTH_SYMBOLS))
    view: cython.uint[::1] = counts
    i: cython.Py_ssize_t
    for i in range(len(runs)):
        view[_RUN_SYMBOL[runs[i]]] += 1
    return counts


def _with_run_code(literals: bytes, distances: bytes, runs: bytes, run_lengths: bytes) -> DynamicHeader:
    sent = CODE_LENGTH_SYMBOLS
    while sent > 4 and not run_lengths[CODE_LENGTH_ORDER[sent - 1]]:
        sent -= 1
    return DynamicHeader(len(literals), len(distances), sent, run_lengths, runs)


@cython.cfunc
def _zlib_runs(lengths: bytes) -> bytes:
    """zlib closes a run when it ends or is full: 138 zeros, 7 of a new length, 6 more of the last one."""
    out = bytearray(len(lengths))
    runs: cython.uchar[::1] = out
    size: cython.Py_ssize_t = 0
    previous: cython.int = -1
    current: cython.int
    count: cython.int = 0
    most: cython.int
    i: cython.Py_ssize_t
    end: cython.Py_ssize_t = len(lengths)
    for i in range(end):
        current = lengths[i]
        count += 1
        most = 138 if current == 0 else 6 if current == previous else 7
        if count < most and i + 1 < end and lengths[i + 1] == current:
            continue
        if current != 0 and current != previous:
            runs[size] = current
            size += 1
            count -= 1
        if count >= 3:
            runs[size] = _run(current, count)
            size += 1
            count = 0
        while count:
            runs[size] = current
            size += 1
            count -= 1
        previous = current
    return bytes(out[:size])


@cython.cfunc
def _go_runs(lengths: bytes) -> bytes:
    """Go takes whole runs apart from the front, each piece as long as can be."""
    out = bytearray(len(lengths))
    runs: cython.uchar[::1] = out
    size: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = len(lengths)
    count: cython.int
    piece: cython.int
    current: cython.int
    while i < end:
        current = lengths[i]
        count = 1
        while i + count < end and lengths[i + count] == current:
            count += 1
        i += count
        if current:
            runs[size] = current
            size += 1
            count -= 1
        while count >= 3:
            piece = min(count, 6 if current else 138)
            runs[size] = _run(current, piece)
            size += 1
            count -= piece
        while count:
            runs[size] = current
            size += 1
            count -= 1
    return bytes(out[:size])


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _run(length: cython.int, count: cython.int) -> cython.int:
    """Return the run of `count` zeros, or repetitions of a length."""
    if length:
        return _REPEAT + count - 3
    return _ZEROS + count - 3 if count <= 10 else _MANY_ZEROS + count - 11
