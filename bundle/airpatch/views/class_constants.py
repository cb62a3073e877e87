# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: `skip` compares what is read with the end of the part that holds it, which is never beyond the file's; a
# number of a constant has 16 bits and is below their count, a label has 16 bits, a tag 8.
"""The constants of a class file, and the labels that take the place of their numbers (spec/VIEWS.md, Class files)."""

from __future__ import annotations

from array import array

import cython

from airpatch.errors import FormatError
from airpatch.views import class_syntax as syntax
from airpatch.views.cut_short import CutShort

_FNV_PRIME = cython.declare(cython.ulonglong, 0x100000001B3)  # FNV-1a of 64 bits (Fowler, Noll, Vo)
_FNV_BASIS = cython.declare(cython.ulonglong, 0xCBF29CE484222325)
_MULTIPLIER = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, TAOCP 6.4)
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)

_UTF8 = cython.declare(cython.int, syntax.UTF8)
_LONG = cython.declare(cython.int, syntax.LONG)
_DOUBLE = cython.declare(cython.int, syntax.DOUBLE)
_HANDLE = cython.declare(cython.int, syntax.HANDLE)
_NO_TAG = cython.declare(cython.int, syntax.NO_TAG)
_ALL_ROUNDS = cython.declare(cython.int, syntax.ALL_ROUNDS)
_SIZES = cython.declare(cython.const[cython.uchar][::1], syntax.SIZES)
_ROUNDS = cython.declare(cython.const[cython.uchar][::1], syntax.ROUNDS)
_NAMED = cython.declare(cython.const[cython.uchar][::1], syntax.NAMED)
_LOADED = cython.declare(cython.const[cython.uchar][::1], syntax.LOADED)


@cython.cclass
class ClassConstants:
    """Reads a class file, or the view of one if not `forward`, in order; `out` is a copy, in which numbers or labels of
    constants are converted. Types are in class_constants.pxd.
    """

    def __init__(self, data: cython.const[cython.uchar][::1], out: cython.uchar[::1], forward: cython.bint) -> None:
        self._data = data
        self._out = out
        self._at = 0
        self._end = len(data)
        self._forward = forward
        self._least = 1

    @cython.cfunc
    @cython.exceptval(-1)
    def skip(self, size: cython.longlong) -> cython.int:
        if size > self._end - self._at:
            raise CutShort("a class file that is cut short")
        self._at += size
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def begin_part(self, size: cython.longlong) -> cython.Py_ssize_t:
        """Go on within a part of that size; return where the part around it ends."""
        outer: cython.Py_ssize_t = self._end
        if size > outer - self._at:
            raise CutShort("a class file that is cut short")
        self._end = self._at + size
        return outer

    @cython.cfunc
    @cython.exceptval(-1)
    def end_part(self, outer: cython.Py_ssize_t) -> cython.int:
        if self._at != self._end:
            raise FormatError("a class file with an attribute of another size")
        self._end = outer
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def u1(self) -> cython.int:
        self.skip(1)
        return self._data[self._at - 1]

    @cython.cfunc
    @cython.exceptval(-1)
    def u2(self) -> cython.int:
        self.skip(2)
        return self._data[self._at - 2] << 8 | self._data[self._at - 1]

    @cython.cfunc
    @cython.exceptval(-1)
    def u4(self) -> cython.longlong:
        high: cython.longlong = self.u2()
        return high << 16 | self.u2()

    @cython.cfunc
    @cython.exceptval(check=False)
    def put(self, number: cython.uint) -> cython.void:
        """Write a number of two bytes over that which was read last."""
        self._out[self._at - 2] = number >> 8 & 0xFF
        self._out[self._at - 1] = number & 0xFF

    @cython.cfunc
    @cython.exceptval(-1)
    def number(self) -> cython.int:
        """Convert the number of a constant, or its label; return the number, 0 for none."""
        given: cython.int = self.u2()
        if given == 0:
            return 0
        if self._forward:
            made: cython.int = self._labels[given] if given < self._count else 0
        else:
            made = self._numbers[given]
        if made == 0:
            raise FormatError("a class file that names a constant which it does not have")
        self.put(made)
        return given if self._forward else made

    @cython.cfunc
    @cython.exceptval(-1)
    def constants(self) -> cython.int:
        """Find the constants."""
        if bytes(self._data[:4]) != syntax.MAGIC:
            raise FormatError("no class file")
        self.skip(8)
        self._count = self.u2()
        self._tags = bytearray(self._count + 1)
        self._starts = array("I", bytes(4 * self._count + 4))
        number: cython.int = 1
        tag: cython.int
        # In bounds: number < count.
        while number < self._count:
            tag = self.u1()
            if _ROUNDS[tag] == _NO_TAG:
                raise FormatError("a class file with an unknown kind of constant")
            self._tags[number] = tag
            self._starts[number] = self._at
            self.skip(self.u2() if tag == _UTF8 else _SIZES[tag])
            number += 2 if tag in (_LONG, _DOUBLE) else 1
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def label_all(self) -> cython.int:
        """Give labels to the constants, those that others name first, and convert what they name."""
        end: cython.Py_ssize_t = self._at
        count: cython.int = self._count
        self._hashes = array("Q", bytes(8 * count + 8))
        self._labels = array("H", bytes(2 * count + 2))
        self._numbers = array("H", bytes(2 << 16))
        turn: cython.int
        number: cython.int
        for turn in range(_ALL_ROUNDS):
            for number in range(1, count):
                if self._tags[number] and _ROUNDS[self._tags[number]] == turn:
                    self._hashes[number] = self.hash_of(number)
                    self.give_label(number)
        self.label_bytes()
        self._at = end
        return 0

    @cython.cfunc
    @cython.exceptval(0, check=True)
    def hash_of(self, number: cython.int) -> cython.ulonglong:
        """Return the hash of what a constant says; convert what it names."""
        _: cython.int
        tag: cython.int = self._tags[number]
        at: cython.Py_ssize_t = self._starts[number]
        value: cython.ulonglong = ((_FNV_BASIS ^ tag) * _FNV_PRIME) & _MASK64
        end: cython.Py_ssize_t = at + _SIZES[tag] - 2 * _NAMED[tag]
        if tag == _UTF8:
            end += self._data[at] << 8 | self._data[at + 1]
        self._at = end
        if _NAMED[tag] == 0 or tag == _HANDLE:
            while at < end:
                value = ((value ^ self._data[at]) * _FNV_PRIME) & _MASK64
                at += 1
        for _ in range(_NAMED[tag]):
            value = ((value ^ self._hashes[self.number()]) * _FNV_PRIME) & _MASK64
        return ((value ^ value >> 32) * _MULTIPLIER) & _MASK64

    @cython.cfunc
    @cython.exceptval(check=False)
    def give_label(self, number: cython.int) -> cython.void:
        label: cython.ulonglong = self._hashes[number]
        tries: cython.int = 4
        while tries and (label & 0xFFFF == 0 or self._numbers[label & 0xFFFF]):
            label >>= 16
            tries -= 1
        if tries == 0:
            while self._numbers[self._least]:  # fewer constants than labels
                self._least += 1
            label = self._least
        self._labels[number] = label & 0xFFFF
        self._numbers[label & 0xFFFF] = number

    @cython.cfunc
    @cython.exceptval(-1)
    def label_bytes(self) -> cython.int:
        """Give labels of one byte to what instructions with one byte may load."""
        self._byte_labels = bytearray(256)
        self._byte_numbers = bytearray(256)
        least: cython.int = 1
        label: cython.ulonglong
        tries: cython.int
        number: cython.int
        for number in range(1, min(self._count, 256)):
            if not _LOADED[self._tags[number]]:
                continue
            label = self._hashes[number]
            tries = 8
            while tries and (label & 0xFF == 0 or self._byte_numbers[label & 0xFF]):
                label >>= 8
                tries -= 1
            if tries == 0:
                while self._byte_numbers[least]:
                    least += 1
                label = least
            self._byte_labels[number] = label & 0xFF
            self._byte_numbers[label & 0xFF] = number
        return 0
