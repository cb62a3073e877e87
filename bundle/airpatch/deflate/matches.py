# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: columns have room for two bytes a token and one for each 255 literals; the decoder compares each index
# with the end of its column, and writes _OVERSHOOT tokens too many at most, for which there is room, as 8 bytes
# follow the window's buffer.
"""Tokens as byte columns, for differencing: how long literals run, how long matches are, where matches come
from.

Columns hold no positions, and no literals since those are in the uncompressed data. A match's source is told by its
rank (airpatch.deflate.match_window); nearly all ranks are zero, and only the others are written. spec/DEFLATE.md
defines the columns; `TokenEncoder` writes them, `TokenDecoder` reads them.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable

import cython

from airpatch.deflate.match_window import SPAN, UNRANKED
from airpatch.deflate.tables import MAX_MATCH, MIN_MATCH, WINDOW
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.deflate.match_window import MatchWindow
else:
    from airpatch.deflate.match_window import MatchWindow

_WINDOW = cython.declare(cython.Py_ssize_t, WINDOW)
_MIN_MATCH = cython.declare(cython.Py_ssize_t, MIN_MATCH)
_MIN_RANKED = cython.declare(cython.Py_ssize_t, 4)  # bytes of a match that takes part in ranks
_UNRANKED = cython.declare(cython.int, UNRANKED)
_MORE = cython.declare(cython.int, 255)  # a count goes on in the next byte

_OVERSHOOT = cython.declare(cython.Py_ssize_t, 8)  # tokens after a run of literals that are written over
_BUFFER_BYTES = 1 << 16  # column bytes fetched at once
_LOW = 2  # column bytes that one token may take

Read = Callable[[int], bytes]
"""Returns up to so many bytes, at least one unless the data has ended."""


@cython.final
@cython.cclass
class TokenEncoder(MatchWindow):
    """Turns tokens and the uncompressed data they stand for into columns: `runs`, `sources`, `distances`."""

    _run: cython.Py_ssize_t
    _nearest: cython.Py_ssize_t

    def __init__(self) -> None:
        super().__init__()
        self._run = 0  # literals since the last match
        self._nearest = 0  # matches of rank 0 since the last other one

    def skip(self, uncompressed: bytes) -> None:
        """Take note of uncompressed data in stored blocks, at most SPAN bytes."""
        self._append(uncompressed)
        self._at = self._end

    def add(self, uncompressed: bytes, tokens: array[int]) -> tuple[bytes, bytes, bytes]:
        """Return what the columns grow by. `uncompressed` is what the tokens stand for, at most SPAN bytes."""
        self._append(uncompressed)
        count: cython.Py_ssize_t = len(tokens)
        token_view: cython.uint[::1] = tokens
        token: cython.p_uint = cython.address(token_view[0]) if cython.compiled else token_view
        # A match takes two bytes at most, and a count goes on after 255.
        run_bytes = bytearray(2 * count + count // 255 + 2)
        source_bytes = bytearray(2 * count + count // 255 + 2)
        distance_bytes = bytearray(2 * count)
        runs: cython.p_uchar = run_bytes
        sources: cython.p_uchar = source_bytes
        distances: cython.p_uchar = distance_bytes
        in_runs: cython.Py_ssize_t = 0
        in_sources: cython.Py_ssize_t = 0
        in_distances: cython.Py_ssize_t = 0
        match_view: cython.uint[::1] = array("I", bytes(4 * count + 4))
        matches: cython.p_uint = cython.address(match_view[0]) if cython.compiled else match_view
        found: cython.Py_ssize_t = 0
        next_literal: cython.Py_ssize_t = 0
        view: cython.p_uchar = self._buffer
        at: cython.Py_ssize_t = self._at
        run: cython.Py_ssize_t = self._run
        nearest: cython.Py_ssize_t = self._nearest
        length: cython.Py_ssize_t
        distance: cython.Py_ssize_t
        rank: cython.int
        match: cython.Py_ssize_t
        i: cython.Py_ssize_t
        with cython.nogil:
            # Without a branch, since matches cannot be predicted.
            for i in range(count):
                matches[found] = i
                found += token[i] >= 256
            matches[found] = count
            for i in range(found + 1):
                match = matches[i]
                run += match - next_literal
                at += match - next_literal
                next_literal = match + 1
                while run >= _MORE:
                    runs[in_runs] = _MORE
                    in_runs += 1
                    run -= _MORE
                if i == found:
                    break
                length = token[match] >> 16 & 0x1FF
                distance = token[match] & 0xFFFF
                runs[in_runs] = run
                runs[in_runs + 1] = length - _MIN_MATCH
                in_runs += 2
                run = 0
                rank = _UNRANKED
                if length >= _MIN_RANKED:
                    rank = self._rank(view, at, length, distance)
                    if rank == 0:
                        nearest += 1
                        if nearest == _MORE:
                            sources[in_sources] = _MORE
                            in_sources += 1
                            nearest = 0
                    else:
                        sources[in_sources] = nearest
                        sources[in_sources + 1] = rank
                        in_sources += 2
                        nearest = 0
                if rank == _UNRANKED:
                    distances[in_distances] = (distance - 1) & 0xFF
                    distances[in_distances + 1] = (distance - 1) >> 8
                    in_distances += 2
                at += length
        self._at = at
        self._run = run
        self._nearest = nearest
        return bytes(run_bytes[:in_runs]), bytes(source_bytes[:in_sources]), bytes(distance_bytes[:in_distances])

    def finish(self) -> tuple[bytes, bytes]:
        """Return the ends of `runs` and `sources`: the counts that no match has closed."""
        return bytes([self._run]), bytes([self._nearest])


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

    def fetch(self) -> bool:
        """Read on if less is left than a token may take; return whether there was more."""
        if len(self._data) - self._at >= _LOW:
            return False
        more = self._read(_BUFFER_BYTES)
        self._data = self._data[self._at :] + more
        self._at = 0
        return bool(more)

    def next(self) -> int:
        """Return the next byte. Raises FormatError at the end."""
        self.fetch()
        if self._at == len(self._data):
            raise FormatError("deflate decisions end too early")
        self._at += 1
        return self._data[self._at - 1]

    def ended(self) -> bool:
        """Return whether all bytes have been used."""
        return self._at == len(self._data) and not self._read(1)


@cython.final
@cython.cclass
class TokenDecoder(MatchWindow):
    """Turns columns and uncompressed data back into tokens, literals included."""

    _uncompressed: Callable[[int], bytes]
    _runs: _Column
    _sources: _Column
    _distances: _Column
    _run: cython.Py_ssize_t
    _nearest: cython.Py_ssize_t
    _run_goes_on: cython.bint
    _nearest_goes_on: cython.bint
    crc = cython.declare(cython.uint, visibility="readonly")  # CRC-32 of the stream's uncompressed data so far
    size = cython.declare(cython.ulonglong, visibility="readonly")  # bytes of it

    def __init__(self, uncompressed: Read, runs: Read, sources: Read, distances: Read) -> None:
        super().__init__()
        self._uncompressed = uncompressed
        self._runs = _Column(runs)
        self._sources = _Column(sources)
        self._distances = _Column(distances)
        self._run = 0  # literals still to come before the next match
        self._run_goes_on = True  # and more of them may follow in the next byte
        self._nearest = 0  # matches of rank 0 still to come
        self._nearest_goes_on = True
        self.crc = 0
        self.size = 0

    def skip(self, size: int) -> bytes:
        """Return the uncompressed data of a stored block, at most 65535 bytes."""
        while self._end - self._at < size and self._fetch():
            pass
        data = bytes(self._buffer[self._at : min(self._end, self._at + size)])
        if len(data) < size:
            raise FormatError("uncompressed data ends too early")
        self._pass(size)
        return data

    def tokens(self, count: int) -> array[int]:
        """Return the next tokens. Raises FormatError if the columns or the uncompressed data do not hold so many."""
        tokens = array("I", bytes(4 * (count + _OVERSHOOT)))
        done = self._decode(tokens, 0)
        while done < count:
            more = [column.fetch() for column in (self._runs, self._sources, self._distances)]
            if self._end - self._at < MAX_MATCH:
                more.append(self._fetch())
            if not any(more):
                raise FormatError("uncompressed data or deflate decisions end too early")
            done = self._decode(tokens, done)
        del tokens[count:]
        return tokens

    def restart(self) -> None:
        """Begin a new deflate stream, which cannot refer to what came before; `crc` and `size` start again."""
        MatchWindow.restart(self)
        self.crc = 0
        self.size = 0

    def end(self) -> None:
        """Raise FormatError unless uncompressed data and columns are used up."""
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
            raise FormatError("uncompressed data left over")

    @cython.cfunc
    def _fetch(self) -> cython.bint:
        data: bytes = self._uncompressed(SPAN)
        if len(data) > SPAN:
            raise ValueError("more uncompressed data than asked for")
        self._append(data)
        return len(data) > 0

    @cython.cfunc
    def _pass(self, size: cython.Py_ssize_t) -> cython.void:
        """Step over uncompressed data that blocks have covered."""
        self.crc = zlib.crc32(memoryview(self._buffer)[self._at : self._at + size], self.crc)
        self.size += size
        self._at += size

    @cython.cfunc
    def _decode(self, tokens: cython.uint[::1], done: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Decode from index `done` on, as far as uncompressed data and columns are at hand; return the index of the
        next token.

        Nothing is taken of a match before all that it needs is at hand. Raises FormatError if there is no such match.
        """
        out: cython.p_uint = cython.address(tokens[0]) if cython.compiled else tokens
        count: cython.Py_ssize_t = len(tokens) - _OVERSHOOT
        view: cython.p_uchar = self._buffer
        at: cython.Py_ssize_t = self._at
        end: cython.Py_ssize_t = self._end
        runs: cython.p_uchar = self._runs._data
        in_runs: cython.Py_ssize_t = self._runs._at
        runs_end: cython.Py_ssize_t = len(self._runs._data)
        sources: cython.p_uchar = self._sources._data
        in_sources: cython.Py_ssize_t = self._sources._at
        sources_end: cython.Py_ssize_t = len(self._sources._data)
        distances: cython.p_uchar = self._distances._data
        in_distances: cython.Py_ssize_t = self._distances._at
        distances_end: cython.Py_ssize_t = len(self._distances._data)
        run: cython.Py_ssize_t = self._run
        run_goes_on: cython.bint = self._run_goes_on
        nearest: cython.Py_ssize_t = self._nearest
        nearest_goes_on: cython.bint = self._nearest_goes_on
        length: cython.Py_ssize_t
        distance: cython.Py_ssize_t = 1
        rank: cython.int
        step: cython.Py_ssize_t
        i: cython.Py_ssize_t
        with cython.nogil:
            while done < count:
                if run == 0 and run_goes_on:
                    if in_runs == runs_end:
                        break
                    run = runs[in_runs]
                    in_runs += 1
                    run_goes_on = run == _MORE
                if run:
                    step = min(run, count - done, end - at)
                    if step == 0:
                        break
                    for i in range(0, step, 8):
                        out[done + i] = view[at + i]
                        out[done + i + 1] = view[at + i + 1]
                        out[done + i + 2] = view[at + i + 2]
                        out[done + i + 3] = view[at + i + 3]
                        out[done + i + 4] = view[at + i + 4]
                        out[done + i + 5] = view[at + i + 5]
                        out[done + i + 6] = view[at + i + 6]
                        out[done + i + 7] = view[at + i + 7]
                    run -= step
                    done += step
                    at += step
                    continue
                if in_runs == runs_end:
                    break
                length = runs[in_runs] + _MIN_MATCH
                if length > end - at:
                    break
                rank = _UNRANKED
                if length >= _MIN_RANKED:
                    if nearest == 0 and nearest_goes_on:
                        if in_sources == sources_end:
                            break
                        nearest = sources[in_sources]
                        in_sources += 1
                        nearest_goes_on = nearest == _MORE
                    if nearest == 0 and in_sources == sources_end:
                        break
                    rank = 0 if nearest else sources[in_sources]
                    if rank == 0 and nearest == 0:  # those are counted, never written
                        distance = 0
                        break
                if rank == _UNRANKED:
                    if distances_end - in_distances < 2:
                        break
                    distance = (distances[in_distances] | distances[in_distances + 1] << 8) + 1
                    in_distances += 2
                    if distance > _WINDOW or distance > at - self._start:
                        distance = 0
                else:
                    distance = self._distance(view, at, length, rank)
                if distance == 0:
                    break
                in_runs += 1
                run_goes_on = True
                if length >= _MIN_RANKED:
                    if nearest:
                        nearest -= 1
                    else:
                        in_sources += 1
                        nearest_goes_on = True
                out[done] = length << 16 | distance
                done += 1
                at += length
        if distance == 0:
            raise FormatError("match without a source, or from before the beginning")
        self._runs._at = in_runs
        self._sources._at = in_sources
        self._distances._at = in_distances
        self._run = run
        self._run_goes_on = run_goes_on
        self._nearest = nearest
        self._nearest_goes_on = nearest_goes_on
        self._pass(at - self._at)
        return done
