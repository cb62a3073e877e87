"""Sets of features: ascending 64-bit hashes, each with the bytes that it stands for.

A feature is a sample of content, or a hint such as a path. Sets that take too much memory are thinned: about half of
the features stay and stand for twice as many bytes. The hash alone decides which, so two sets that were thinned alike
still share what they shared.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import cython

_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_MOST = cython.declare(cython.ulonglong, (1 << 32) - 1)  # bytes that one feature can stand for
_MIXER = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, TAOCP 6.4)
_FAR = cython.declare(cython.Py_ssize_t, 16)  # times as many features that make a binary search pay

BYTES = 12
"""Bytes of memory for each feature."""


@dataclass(frozen=True, slots=True)
class Features:
    """`hashes` ascend, each once; `weights[i]` is the number of bytes that `hashes[i]` stands for."""

    hashes: array[int]
    weights: array[int]

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def weight(self) -> int:
        """Bytes that all features stand for together."""
        return sum(self.weights)


def features(hashes: array[int], weights: array[int]) -> Features:
    """Return the set of these hashes ("Q") in any order, which stand for `weights` ("I"); equal ones are added up.

    Takes ownership of the arrays.
    """
    if len(hashes) > 1:
        count = _sort(hashes, weights, array("Q", hashes), array("I", weights))
        del hashes[count:], weights[count:]
    return Features(hashes, weights)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
def _sort(
    hashes: cython.ulonglong[::1],
    weights: cython.uint[::1],
    other_hashes: cython.ulonglong[::1],
    other_weights: cython.uint[::1],
) -> cython.Py_ssize_t:
    """Sort by radix, a byte at a time, and add up equal ones; returns how many are left."""
    size: cython.Py_ssize_t = len(hashes)
    counts: cython.Py_ssize_t[::1] = array("q", [0]) * 257
    shift: cython.int
    digit: cython.int
    i: cython.Py_ssize_t
    to: cython.Py_ssize_t
    sum_: cython.ulonglong
    # In bounds: digits are below 256, and their counts add up to size.
    with cython.nogil:
        for shift in range(0, 64, 8):
            for digit in range(257):
                counts[digit] = 0
            for i in range(size):
                counts[((hashes[i] >> shift) & 255) + 1] += 1
            for digit in range(256):
                counts[digit + 1] += counts[digit]
            for i in range(size):
                digit = (hashes[i] >> shift) & 255
                to = counts[digit]
                counts[digit] += 1
                other_hashes[to] = hashes[i]
                other_weights[to] = weights[i]
            hashes, other_hashes = other_hashes, hashes
            weights, other_weights = other_weights, weights
        to = 0
        for i in range(1, size):
            if hashes[i] == hashes[to]:
                sum_ = cython.cast(cython.ulonglong, weights[to]) + weights[i]
                weights[to] = cython.cast(cython.uint, min(sum_, _MOST))
            else:
                to += 1
                hashes[to] = hashes[i]
                weights[to] = weights[i]
    return to + 1


def thinned(hashes: array[int], weights: array[int], before: int, halvings: int) -> tuple[array[int], array[int]]:
    """Return those hashes, halved `before` times, that stay after `halvings`, and what they stand for."""
    kept, heavier = array("Q"), array("I")
    if hashes and halvings > before:
        _thin(hashes, weights, halvings - before, 64 - halvings, kept, heavier)
        return kept, heavier
    return hashes, weights


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
def _thin(
    hashes: cython.ulonglong[::1],
    weights: cython.uint[::1],
    heavier: cython.int,
    shift: cython.int,
    kept: array[int],
    new_weights: array[int],
) -> cython.void:
    # In bounds: each hash has its weight.
    i: cython.Py_ssize_t
    weight: cython.ulonglong
    for i in range(len(hashes)):
        if ((hashes[i] * _MIXER) & _MASK64) >> shift == 0:
            weight = cython.cast(cython.ulonglong, weights[i]) << heavier
            kept.append(hashes[i])
            new_weights.append(min(weight, _MOST))


def shared(wanted: array[int], offered: array[int]) -> bytearray:
    """Return for each hash of `wanted` 1 if it is in `offered`, else 0. Both ascend."""
    found = bytearray(len(wanted))
    if wanted and offered:
        _share(wanted, offered, found)
    return found


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
def _share(wanted: cython.ulonglong[::1], offered: cython.ulonglong[::1], found: cython.uchar[::1]) -> cython.void:
    # In bounds: at < size where an offered hash is read, and `found` is as long as `wanted`.
    size: cython.Py_ssize_t = len(offered)
    far: cython.bint = size > _FAR * len(wanted)
    at: cython.Py_ssize_t = 0
    high: cython.Py_ssize_t
    middle: cython.Py_ssize_t
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(len(wanted)):
            if far:
                high = size
                while at < high:
                    middle = (at + high) >> 1
                    if offered[middle] < wanted[i]:
                        at = middle + 1
                    else:
                        high = middle
            else:
                while at < size and offered[at] < wanted[i]:
                    at += 1
            if at == size:
                break
            found[i] = offered[at] == wanted[i]


def unexplained_weight(weights: array[int], found: bytearray, explained: bytearray) -> int:
    """Return how many bytes those features stand for that are `found` and not `explained` yet."""
    if not weights:
        return 0
    return _gain(weights, found, explained)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
def _gain(weights: cython.uint[::1], found: cython.uchar[::1], explained: cython.uchar[::1]) -> cython.ulonglong:
    # In bounds: `found` and `explained` have a byte for each feature.
    total: cython.ulonglong = 0
    i: cython.Py_ssize_t
    for i in range(len(weights)):
        if found[i] and not explained[i]:
            total += weights[i]
    return total


def exclusive_counts(first: bytearray, second: bytearray, explained: bytearray) -> tuple[int, int]:
    """Return how many features not `explained` yet only the `first` has found, and how many only the `second`."""
    if not first:
        return 0, 0
    return _apart(first, second, explained)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
def _apart(first: cython.uchar[::1], second: cython.uchar[::1], explained: cython.uchar[::1]) -> tuple[int, int]:
    # In bounds: all three have a byte for each feature of one set.
    left: cython.Py_ssize_t = 0
    right: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t
    for i in range(len(first)):
        if not explained[i] and first[i] != second[i]:
            left += first[i]
            right += second[i]
    return left, right


def mark_explained(found: bytearray, explained: bytearray) -> None:
    """Count what is `found` as `explained`."""
    if found:
        _explain(found, explained)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
def _explain(found: cython.uchar[::1], explained: cython.uchar[::1]) -> cython.void:
    # In bounds: both have a byte for each feature of one set.
    i: cython.Py_ssize_t
    for i in range(len(found)):
        explained[i] |= found[i]
