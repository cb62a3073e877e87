"""Approximate alignment of a piece of target with a piece of source.

The result is a list of *covers*: ranges of target that resemble equally long ranges of source, most bytes
equal. Compiled code of two versions is the typical case: instructions agree, addresses inside them differ.
The idea is that of bsdiff (Colin Percival, "Naive differences of executable code", 2003): follow the current
diagonal through mismatches, leave it for a match that explains clearly more, and extend each cover over
whatever still agrees in most bytes. In place of a suffix array, positions of the source lie in buckets by
the hash of 8 bytes; of a crowded bucket only the positions nearest to the diagonal are tried. So memory is 2
bytes for each byte of source, and time is near-linear on any input.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.zeroed_memory import zeroed_words

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, load64_big
    from cython.cimports.airpatch.prefetch import fetch
else:
    from airpatch.byte_access import common, load64_big
    from airpatch.prefetch import fetch

MAX_SOURCE = 1 << 26  # bytes of source in one index, 128 MiB of positions

_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_STEP = cython.declare(cython.int, 2)  # every second position is indexed: nearly as good, half as large
_SEED = cython.declare(cython.int, 8)  # bytes that a candidate must share
# Bytes from a position to that whose bucket is asked for meanwhile, and to that whose place in the bucket is.
_FAR = cython.declare(cython.longlong, 64)
_NEAR = cython.declare(cython.longlong, 32)
_MULTIPLIER = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, TAOCP 6.4)

_GAIN = cython.declare(cython.longlong, 8)  # bytes that a new diagonal must explain beyond a near current one
# Bytes that new diagonals may reach back for each byte of progress: without a bound, periodic data would take
# quadratic time.
_REACH = cython.declare(cython.longlong, 64)
_LOWEST = cython.declare(cython.longlong, -1 << 40)  # less than any match explains
_LONG = cython.declare(cython.longlong, 1 << 12)  # a match as long as this is taken without looking further


@cython.cclass
class Aligner:
    """An index of `source` (at most MAX_SOURCE bytes), to align pieces of target with."""

    _source: cython.const[cython.uchar][::1]
    _starts: cython.uint[::1]
    _positions: cython.uint[::1]
    _bits: cython.int
    _tries: cython.longlong
    _far: cython.longlong

    def __init__(self, source: memoryview, tries: int, far: int) -> None:
        """`tries` candidates are compared on each side of the diagonal. A new diagonal must explain `far` bytes more
        for each byte but one of the number that says where it is."""
        if len(source) > MAX_SOURCE:
            raise ValueError(f"{len(source)} bytes of source exceed {MAX_SOURCE}")
        self._source = source
        self._tries = tries
        self._far = far
        self._bits = min(22, max(8, len(source).bit_length() - 2))
        self._starts = zeroed_words((1 << self._bits) + 2)
        self._positions = zeroed_words(max(len(source) - 6, 0) // _STEP)
        self._fill()

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _fill(self) -> cython.void:
        """Counting sort of all positions by the hash of the 8 bytes there."""
        source: cython.const[cython.uchar][::1] = self._source
        seeds: cython.longlong = max(len(source) - 7, 0)
        if not seeds:
            return
        shift: cython.int = 64 - self._bits
        slot: cython.ulonglong
        i: cython.longlong
        starts: cython.p_uint = cython.address(self._starts[0]) if cython.compiled else self._starts
        positions: cython.p_uint = cython.address(self._positions[0]) if cython.compiled else self._positions
        last: cython.longlong = seeds - 1
        # In bounds: i <= last < len(source) - 7; a hash has `bits` bits; starts[slot] counts to at most len(positions).
        with cython.nogil:
            for i in range(0, seeds, 2):  # _STEP, as a constant of C
                fetch(starts, _hash(_load(source, min(i + _FAR, last)), shift) + 2)
                starts[_hash(_load(source, i), shift) + 2] += 1
            for slot in range(2, (1 << self._bits) + 2):
                starts[slot] += starts[slot - 1]
            # starts[slot + 1] is now where a bucket begins; filling moves it to where that ends.
            for i in range(0, seeds, 2):  # _STEP, as a constant of C
                fetch(starts, _hash(_load(source, min(i + _FAR, last)), shift) + 1)
                fetch(positions, starts[_hash(_load(source, min(i + _NEAR, last)), shift) + 1])
                slot = _hash(_load(source, i), shift) + 1
                positions[starts[slot]] = cython.cast(cython.uint, i)
                starts[slot] += 1

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.ccall
    def align(
        self,
        target: cython.const[cython.uchar][::1],
        start: cython.longlong,
        stop: cython.longlong,
        guess: cython.longlong,
    ) -> array[int]:
        """Return covers of target[start:stop] as triples (target offset, source offset, length), ascending,
        disjoint.

        `guess` is the source offset that target[start] probably corresponds to.
        """
        # In bounds: 0 <= at < stop <= len(target), 8 bytes more where a seed is loaded; candidates lie in a bucket; the
        # helpers state theirs.
        source: cython.const[cython.uchar][::1] = self._source
        size: cython.longlong = len(source)
        covers = array("q")
        stop = min(stop, len(target))
        shift: cython.int = 64 - self._bits
        # The current cover: an exact match begins at target `anchor`; source = target + delta.
        anchor: cython.longlong = start
        delta: cython.longlong = guess - start
        floor: cython.longlong = start  # where the current cover begins
        reached: cython.longlong = 0  # bytes that diagonals have reached back
        back: cython.longlong
        agreed: cython.longlong
        best: cython.longlong
        gain: cython.longlong
        most: cython.longlong
        position: cython.longlong
        where: cython.longlong
        length: cython.longlong
        i: cython.longlong
        low: cython.longlong
        high: cython.longlong
        tries: cython.longlong
        slot: cython.ulonglong
        key: cython.ulonglong
        candidate: cython.longlong
        checked: cython.longlong = start  # the diagonal is known to agree from `at` to here
        at: cython.longlong = start
        end_before: cython.longlong
        begin: cython.longlong
        with cython.nogil:
            while at < stop:
                if at >= checked:
                    agreed = self._forth(target, at, stop, at + delta)
                    checked = at + agreed
                    if agreed:
                        # No search inside: a match that wins from here wins where the agreement ends, too.
                        at = checked
                        continue
                    checked = at + 1
                if at + _SEED > stop:
                    break
                key = _load(target, at)
                slot = _hash(key, shift)
                low = self._starts[slot]
                high = self._starts[slot + 1]
                best = 0
                most = _LOWEST
                where = 0
                if low < high:
                    i = self._nearest(low, high, at + delta)
                    # Upwards from i and downwards from i - 1.
                    tries = 0
                    candidate = i
                    while candidate < high and tries < self._tries and best < _LONG:
                        position = self._positions[candidate]
                        length = self._forth(target, at, stop, position)
                        gain = length - self._far * _further(position - at - delta)
                        if gain > most:
                            most = gain
                            best = length
                            where = position
                        candidate += 1
                        tries += 1
                    tries = 0
                    candidate = i - 1
                    while candidate >= low and tries < self._tries and best < _LONG:
                        position = self._positions[candidate]
                        length = self._forth(target, at, stop, position)
                        gain = length - self._far * _further(position - at - delta)
                        if gain > most:
                            most = gain
                            best = length
                            where = position
                        candidate -= 1
                        tries += 1
                if low < high and best < _LONG:  # of a run or period, the first position reaches farthest
                    length = self._forth(target, at, stop, self._positions[low])
                    if length > 4 * best:
                        best = length
                        where = self._positions[low]
                if best < _SEED or where - at == delta:
                    at += 1
                    continue
                if best <= self._score(target, at, at + best, delta) + _GAIN + self._far * _further(where - at - delta):
                    at += 1
                    continue
                # A new diagonal wins. End the current cover, begin the new one, share what lies between.
                end_before = self._end(target, anchor, at, delta, size)
                back = min(at - floor, _REACH * (at + best - start) - reached)
                reached += back
                begin = self._begin(target, at, where, at - back)
                if begin < end_before:
                    begin = end_before = self._split(target, begin, end_before, delta, where - at)
                if end_before > floor:
                    with cython.gil:
                        covers.extend((floor, floor + delta, end_before - floor))
                floor = begin
                delta = where - at
                anchor = at
                at += best
                checked = at
        end_before = self._end(target, anchor, stop, delta, size)
        if end_before > floor:
            covers.extend((floor, floor + delta, end_before - floor))
        return covers

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _forth(
        self,
        target: cython.const[cython.uchar][::1],
        at: cython.longlong,
        stop: cython.longlong,
        where: cython.longlong,
    ) -> cython.longlong:
        """Count the bytes that agree from target[at] (before `stop`) and source[where]; 0 if `where` is
        outside."""
        # In bounds: what is compared ends before `stop` and before the source's end; a limit below 0 compares nothing.
        source: cython.const[cython.uchar][::1] = self._source
        left: cython.p_const_uchar = cython.address(target[0]) if cython.compiled else target
        right: cython.p_const_uchar = cython.address(source[0]) if cython.compiled else source
        return common(left, at, right, where, min(stop - at, len(source) - where)) if where >= 0 else 0

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _nearest(self, low: cython.longlong, high: cython.longlong, where: cython.longlong) -> cython.longlong:
        """Return the first index in positions[low:high] (ascending) with a position >= `where`, or `high`."""
        # In bounds: low <= middle < high, the ends of a bucket.
        middle: cython.longlong
        while low < high:
            middle = (low + high) >> 1
            if self._positions[middle] < where:
                low = middle + 1
            else:
                high = middle
        return low

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _score(
        self,
        target: cython.const[cython.uchar][::1],
        at: cython.longlong,
        stop: cython.longlong,
        delta: cython.longlong,
    ) -> cython.longlong:
        """Count the equal bytes of target[at:stop] on the diagonal `delta`."""
        # In bounds: i is cut to where i + delta lies in the source.
        source: cython.const[cython.uchar][::1] = self._source
        equal: cython.longlong = 0
        i: cython.longlong
        first: cython.longlong = max(at, -delta)
        last: cython.longlong = min(stop, len(source) - delta)
        for i in range(first, last):
            equal += target[i] == source[i + delta]
        return equal

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _end(
        self,
        target: cython.const[cython.uchar][::1],
        anchor: cython.longlong,
        stop: cython.longlong,
        delta: cython.longlong,
        size: cython.longlong,
    ) -> cython.longlong:
        """Return the end of the cover from `anchor` that maximises equal minus unequal bytes."""
        # In bounds: anchor + delta >= 0, and i + delta < size.
        source: cython.const[cython.uchar][::1] = self._source
        score: cython.longlong = 0
        best: cython.longlong = 0
        end: cython.longlong = anchor
        i: cython.longlong
        last: cython.longlong = min(stop, size - delta)
        if anchor + delta < 0:
            return anchor
        for i in range(anchor, last):
            score += 1 if target[i] == source[i + delta] else -1
            if score > best:
                best = score
                end = i + 1
        return end

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _begin(
        self,
        target: cython.const[cython.uchar][::1],
        at: cython.longlong,
        where: cython.longlong,
        floor: cython.longlong,
    ) -> cython.longlong:
        """Return the begin of the cover that reaches back from `at`, not before `floor`, by the same
        measure."""
        # In bounds: i goes no farther back than `floor` and the source's begin.
        source: cython.const[cython.uchar][::1] = self._source
        score: cython.longlong = 0
        best: cython.longlong = 0
        begin: cython.longlong = at
        i: cython.longlong
        limit: cython.longlong = min(at - floor, where)
        for i in range(1, limit + 1):
            score += 1 if target[at - i] == source[where - i] else -1
            if score > best:
                best = score
                begin = at - i
        return begin

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _split(
        self,
        target: cython.const[cython.uchar][::1],
        begin: cython.longlong,
        end: cython.longlong,
        before: cython.longlong,
        after: cython.longlong,
    ) -> cython.longlong:
        """Return the place in begin..end up to which the diagonal `before` explains more than `after` does.

        Both diagonals lie inside the source over the whole range, as `_end` and `_begin` have found it.
        """
        # In bounds: as the docstring says of both diagonals.
        source: cython.const[cython.uchar][::1] = self._source
        score: cython.longlong = 0
        best: cython.longlong = 0
        place: cython.longlong = begin
        i: cython.longlong
        for i in range(begin, end):
            score += target[i] == source[i + before]
            score -= target[i] == source[i + after]
            if score > best:
                best = score
                place = i + 1
        return place


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _load(data: cython.const[cython.uchar][::1], at: cython.longlong) -> cython.ulonglong:
    # In bounds: callers have 8 bytes from `at` on.
    return load64_big(cython.address(data[0]) if cython.compiled else data, at)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _hash(key: cython.ulonglong, shift: cython.int) -> cython.ulonglong:
    return ((key * _MULTIPLIER) & _MASK64) >> shift


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _further(jump: cython.longlong) -> cython.longlong:
    """Return how many bytes but one the number takes that says where a cover is, so far from the end of the last."""
    if jump < 0:
        jump = -jump
    return 0 if jump < 1 << 6 else 1 if jump < 1 << 13 else 2 if jump < 1 << 20 else 3
