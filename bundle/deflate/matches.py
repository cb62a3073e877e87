# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Tokens as byte columns, for differencing: how long literals run, how long matches are, where matches come
from.

Columns hold no positions, and no literals since those are in the plaintext. A match's source is told by its
*rank*: how many nearer places hold the same bytes. Encoders prefer the nearest of equals, so nearly all ranks
are zero, and only the others are written. Both sides find sources in the same index: chains of earlier
positions whose next four bytes have one hash. spec/DEFLATE.md defines the columns; `TokenEncoder` writes
them, `TokenDecoder` reads them.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable

import cython

from bundle.deflate.tables import LONG_258, MAX_MATCH, MIN_MATCH, WINDOW
from bundle.errors import FormatError

SPAN = 1 << 17  # plaintext bytes that one call of TokenEncoder.add may bring

# The buffer slides by pairs of windows, so up to three windows of history stay.
_SIZE = cython.declare(cython.Py_ssize_t, 3 * WINDOW + 2 * SPAN)
_WINDOW = cython.declare(cython.Py_ssize_t, WINDOW)
_RING = cython.declare(cython.Py_ssize_t, 2 * WINDOW - 1)  # an index into the ring, and positions modulo 2 ** 16
_MIN_HASHED = cython.declare(cython.Py_ssize_t, 4)  # bytes that go into a hash
_MIN_MATCH = cython.declare(cython.Py_ssize_t, MIN_MATCH)
_MAX_MATCH = cython.declare(cython.Py_ssize_t, MAX_MATCH)
_LONG_258 = cython.declare(cython.uint, LONG_258)
_HOPS = cython.declare(cython.int, 256)  # links of a chain that are followed
_EXPLICIT = cython.declare(cython.int, 255)  # in place of a rank: the distance is written
_MORE = cython.declare(cython.int, 255)  # a count goes on in the next byte

# Of Knuth's multiplicative hash: a prime near 2 ** 32 divided by the golden ratio.
_MULTIPLIER = cython.declare(cython.uint, 2654435761)
_ALL_BITS = cython.declare(cython.uint, 0xFFFFFFFF)

_BUFFER_BYTES = 1 << 16  # column bytes fetched at once

Read = Callable[[int], bytes]
"""Returns up to so many bytes, at least one unless the data has ended."""


@cython.cclass
class _History:
    """Plaintext around the next token, and for each position the nearest one before it that looks like it.

    `_buffer[_start:_at]` are bytes that matches may copy from, `_buffer[_at:_end]` bytes not yet covered by
    tokens. `_links` is a ring over positions, some of them ahead of `_at`: how far back the nearest position
    lies whose four bytes have the same hash, 0 if not within the window.
    """

    _buffer: bytearray
    _view: cython.uchar[::1]
    _start: cython.Py_ssize_t
    _at: cython.Py_ssize_t
    _end: cython.Py_ssize_t
    _indexed: cython.Py_ssize_t
    _newest: cython.ushort[::1]
    _links: cython.ushort[::1]

    def __init__(self) -> None:
        self._buffer = bytearray(_SIZE)
        self._view = self._buffer
        self._start = 0
        self._at = 0
        self._end = 0
        self._indexed = 0  # positions before this one have their links
        self._newest = array("H", bytes(2 << 15))  # last position of each hash, modulo 2 ** 16
        self._links = array("H", bytes(2 * 2 * WINDOW))

    def restart(self) -> None:
        """A new deflate stream begins: it cannot reach what came before."""
        self._start = self._at

    @cython.cfunc
    def _append(self, data: bytes) -> cython.void:
        """Add plaintext, at most SPAN bytes while fewer than SPAN wait for tokens."""
        if self._end + len(data) > _SIZE:
            self._slide()
        self._buffer[self._end : self._end + len(data)] = data
        self._end += len(data)

    @cython.cfunc
    def _slide(self) -> cython.void:
        """Drop what the window does not reach, by whole turns of the ring, so that it keeps its order."""
        self._index()
        shift: cython.Py_ssize_t = (self._at - _WINDOW) & ~_RING
        if shift <= 0:
            return
        self._buffer[: self._end - shift] = self._buffer[shift : self._end]
        self._start = max(0, self._start - shift)
        self._at -= shift
        self._end -= shift
        self._indexed -= shift

    @cython.cfunc
    def _index(self) -> cython.void:
        """Give positions their links, up to a window ahead, as far as four bytes of each are known."""
        view: cython.uchar[::1] = self._view
        newest: cython.ushort[::1] = self._newest
        links: cython.ushort[::1] = self._links
        i: cython.Py_ssize_t
        bucket: cython.uint
        link: cython.uint
        begin: cython.Py_ssize_t = self._indexed
        end: cython.Py_ssize_t = min(self._at + _WINDOW, self._end - _MIN_HASHED + 1)
        if begin >= end:
            return
        word: cython.uint = view[begin] << 8 | view[begin + 1] << 16 | view[begin + 2] << 24
        for i in range(begin, end):
            word = word >> 8 | cython.cast(cython.uint, view[i + 3]) << 24
            bucket = (word * _MULTIPLIER & _ALL_BITS) >> 17
            link = i - newest[bucket] & 0xFFFF
            links[i & _RING] = link if link <= 0x8000 else 0
            newest[bucket] = i & 0xFFFF
        self._indexed = end

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _equal(self, a: cython.Py_ssize_t, b: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.bint:
        """Compare from the end, where places that differ early in the search mostly differ."""
        i: cython.Py_ssize_t = length - 1
        while i >= 0 and self._view[a + i] == self._view[b + i]:
            i -= 1
        return i < 0

    @cython.cfunc
    def _rank(self, length: cython.Py_ssize_t, distance: cython.Py_ssize_t) -> cython.int:
        """Return the rank of the match `distance` back, or _EXPLICIT if it is not among the first links."""
        if self._at >= self._indexed:
            self._index()
        place: cython.Py_ssize_t = self._at
        source: cython.Py_ssize_t = place - distance
        link: cython.Py_ssize_t
        rank: cython.int = 0
        for _ in range(_HOPS):
            link = self._links[place & _RING]
            place -= link
            if link == 0 or place < source:
                break
            if place == source:
                return min(rank, _EXPLICIT)
            rank += self._equal(place, self._at, length)
        return _EXPLICIT

    @cython.cfunc
    def _distance(self, length: cython.Py_ssize_t, rank: cython.int) -> cython.Py_ssize_t:
        """Return the distance of the match with this rank, 0 if there is none among the first links."""
        if self._at >= self._indexed:
            self._index()
        place: cython.Py_ssize_t = self._at
        oldest: cython.Py_ssize_t = max(self._start, place - _WINDOW)
        link: cython.Py_ssize_t
        for _ in range(_HOPS):
            link = self._links[place & _RING]
            place -= link
            if link == 0 or place < oldest:
                break
            if self._equal(place, self._at, length):
                if rank == 0:
                    return self._at - place
                rank -= 1
        return 0


@cython.final
@cython.cclass
class TokenEncoder(_History):
    """Turns tokens and the plaintext they stand for into columns: `runs`, `sources`, `distances`."""

    _run: cython.Py_ssize_t
    _nearest: cython.Py_ssize_t

    def __init__(self) -> None:
        super().__init__()
        self._run = 0  # literals since the last match
        self._nearest = 0  # matches of rank 0 since the last other one

    def skip(self, plaintext: bytes) -> None:
        """Take note of plaintext in stored blocks, at most SPAN bytes."""
        self._append(plaintext)
        self._at = self._end

    def add(self, plaintext: bytes, tokens: array[int]) -> tuple[bytes, bytes, bytes]:
        """Return what the columns grow by. `plaintext` is what the tokens stand for, at most SPAN bytes."""
        self._append(plaintext)
        runs = bytearray(2 * len(tokens) + len(tokens) // 255 + 2)
        sources = bytearray(2 * len(tokens) + len(tokens) // 255 + 2)
        distances = bytearray(2 * len(tokens))
        sizes: cython.Py_ssize_t[::1] = array("q", bytes(24))
        self._add(tokens, runs, sources, distances, sizes)
        return bytes(runs[: sizes[0]]), bytes(sources[: sizes[1]]), bytes(distances[: sizes[2]])

    def finish(self) -> tuple[bytes, bytes]:
        """Return the ends of `runs` and `sources`: the counts that no match has closed."""
        return bytes([self._run]), bytes([self._nearest])

    @cython.cfunc
    def _add(
        self,
        tokens: cython.uint[::1],
        runs: cython.uchar[::1],
        sources: cython.uchar[::1],
        distances: cython.uchar[::1],
        sizes: cython.Py_ssize_t[::1],
    ) -> cython.void:
        token: cython.uint
        length: cython.Py_ssize_t
        distance: cython.Py_ssize_t
        rank: cython.int
        i: cython.Py_ssize_t
        in_runs: cython.Py_ssize_t = 0
        in_sources: cython.Py_ssize_t = 0
        in_distances: cython.Py_ssize_t = 0
        for i in range(len(tokens)):
            token = tokens[i]
            if token < 256:
                self._run += 1
                if self._run == _MORE:
                    runs[in_runs] = _MORE
                    in_runs += 1
                    self._run = 0
                self._at += 1
                continue
            length = token >> 16 & 0x1FF
            distance = token & 0xFFFF
            runs[in_runs] = self._run
            runs[in_runs + 1] = length - _MIN_MATCH
            in_runs += 2
            self._run = 0
            rank = _EXPLICIT
            if length >= _MIN_HASHED:
                rank = self._rank(length, distance)
                if rank == 0:
                    self._nearest += 1
                    if self._nearest == _MORE:
                        sources[in_sources] = _MORE
                        in_sources += 1
                        self._nearest = 0
                else:
                    sources[in_sources] = self._nearest
                    sources[in_sources + 1] = rank
                    in_sources += 2
                    self._nearest = 0
            if rank == _EXPLICIT:
                distances[in_distances] = (distance - 1) & 0xFF
                distances[in_distances + 1] = (distance - 1) >> 8
                in_distances += 2
            self._at += length
        sizes[0] = in_runs
        sizes[1] = in_sources
        sizes[2] = in_distances


@cython.final
@cython.cclass
class _Column:
    """Bytes of a column, fetched as needed."""

    _read: Callable[[int], bytes]
    _data: bytes
    _at: cython.Py_ssize_t

    def __init__(self, read: Read) -> None:
        self._read = read
        self._data = b""
        self._at = 0

    @cython.cfunc
    @cython.inline
    def next(self) -> cython.int:
        """Return the next byte. Raises FormatError at the end."""
        if self._at == len(self._data):
            self._data = self._read(_BUFFER_BYTES)
            self._at = 0
            if not self._data:
                raise FormatError("deflate decisions end too early")
        self._at += 1
        return self._data[self._at - 1]

    def ended(self) -> bool:
        """Whether all bytes have been used."""
        return self._at == len(self._data) and not self._read(1)


@cython.final
@cython.cclass
class TokenDecoder(_History):
    """Turns columns and plaintext back into tokens, literals included."""

    _plaintext: Callable[[int], bytes]
    _runs: _Column
    _sources: _Column
    _distances: _Column
    _run: cython.Py_ssize_t
    _nearest: cython.Py_ssize_t
    _run_goes_on: cython.bint
    _nearest_goes_on: cython.bint
    _ended: cython.bint
    crc = cython.declare(cython.uint, visibility="readonly")  # CRC-32 of the stream's plaintext so far
    size = cython.declare(cython.ulonglong, visibility="readonly")  # bytes of it

    def __init__(self, plaintext: Read, runs: Read, sources: Read, distances: Read) -> None:
        super().__init__()
        self._plaintext = plaintext
        self._runs = _Column(runs)
        self._sources = _Column(sources)
        self._distances = _Column(distances)
        self._run = 0  # literals still to come before the next match
        self._run_goes_on = True  # and more of them may follow in the next byte
        self._nearest = 0  # matches of rank 0 still to come
        self._nearest_goes_on = True
        self._ended = False
        self.crc = 0
        self.size = 0

    def skip(self, size: int) -> bytes:
        """Return the plaintext of a stored block, at most 65535 bytes."""
        while self._end - self._at < size and self._fetch():
            pass
        data = bytes(self._buffer[self._at : min(self._end, self._at + size)])
        if len(data) < size:
            raise FormatError("plaintext ends too early")
        self._pass(size)
        return data

    def tokens(self, count: int) -> array[int]:
        """Return the next tokens. Raises FormatError if the columns or the plaintext do not hold so many."""
        tokens = array("I", bytes(4 * count))
        done = 0
        while True:
            start = self._at
            done = self._decode(tokens, done)
            self._at, passed = start, self._at - start
            self._pass(passed)
            if done == count:
                return tokens
            self._fetch()

    def restart(self) -> None:
        """A new deflate stream begins: it cannot reach what came before, `crc` and `size` start again."""
        _History.restart(self)
        self.crc = 0
        self.size = 0

    def end(self) -> None:
        """Raise FormatError unless plaintext and columns are used up."""
        while self._run == 0 and self._run_goes_on:
            self._run = self._runs.next()
            self._run_goes_on = self._run == _MORE
        while self._nearest == 0 and self._nearest_goes_on:
            self._nearest = self._sources.next()
            self._nearest_goes_on = self._nearest == _MORE
        columns = (self._runs, self._sources, self._distances)
        if self._run or self._nearest or [column for column in columns if not column.ended()]:
            raise FormatError("deflate decisions left over")
        if self._at != self._end or self._fetch():
            raise FormatError("plaintext left over")

    @cython.cfunc
    def _fetch(self) -> cython.bint:
        data: bytes = self._plaintext(SPAN)
        if len(data) > SPAN:
            raise FormatError("more plaintext than asked for")
        self._append(data)
        self._ended = not data
        return not self._ended

    @cython.cfunc
    def _pass(self, size: cython.Py_ssize_t) -> cython.void:
        """Step over plaintext that blocks have covered."""
        self.crc = zlib.crc32(memoryview(self._buffer)[self._at : self._at + size], self.crc)
        self.size += size
        self._at += size

    @cython.cfunc
    def _next_rank(self) -> cython.int:
        """Return the rank of the next match of four bytes or more."""
        while self._nearest == 0:
            if not self._nearest_goes_on:
                self._nearest_goes_on = True
                return self._sources.next()
            self._nearest = self._sources.next()
            self._nearest_goes_on = self._nearest == _MORE
        self._nearest -= 1
        return 0

    @cython.cfunc
    def _decode(self, tokens: cython.uint[::1], done: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Decode from index `done` on, as far as plaintext is at hand; return the index of the next token."""
        i: cython.Py_ssize_t
        length: cython.Py_ssize_t
        distance: cython.Py_ssize_t
        rank: cython.int
        for i in range(done, len(tokens)):
            if self._end - self._at < _MAX_MATCH and not self._ended:
                return i
            while self._run == 0 and self._run_goes_on:
                self._run = self._runs.next()
                self._run_goes_on = self._run == _MORE
            if self._run:
                if self._at == self._end:
                    raise FormatError("plaintext ends too early")
                self._run -= 1
                tokens[i] = self._view[self._at]
                self._at += 1
                continue
            self._run_goes_on = True
            length = self._runs.next() + _MIN_MATCH
            if length > self._end - self._at:
                raise FormatError("plaintext ends too early")
            rank = self._next_rank() if length >= _MIN_HASHED else _EXPLICIT
            if rank == _EXPLICIT:
                distance = self._distances.next()
                distance = (distance | self._distances.next() << 8) + 1
                if distance > _WINDOW or distance > self._at - self._start:
                    raise FormatError("match reaches back before the beginning")
            else:
                distance = self._distance(length, rank)
                if distance == 0:
                    raise FormatError("match without a source")
            tokens[i] = length << 16 | distance
            self._at += length
        return len(tokens)
