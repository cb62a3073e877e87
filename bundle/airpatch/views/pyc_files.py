# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: what `_skip` has passed is there; objects that may be referred to are counted up to MAX_OBJECTS and the
# size of the data, labels have 16 bits; a code object begins with 21 bytes at least; containers are MAX_DEPTH deep.
"""Compiled files of Python (.pyc) in a form in which nothing is counted from their beginning (spec/VIEWS.md).

CPython's marshal writes an object once, and its number where it occurs again; a function has the line of the file that
it begins at. Where a new version has one name more, or one line, those behind it get other numbers. In the view an
object has a *label* in place of its number, which follows from what it is, and a line is the difference to that of the
function before. Sizes stay.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.errors import FormatError
from airpatch.views.cut_short import CutShort

MAX_PYC = 1 << 22
"""Bytes of a compiled file, which is held as a whole by whoever reads one."""
MAX_OBJECTS = (1 << 16) - 1
"""Objects in it that may be referred to, each of which needs a label."""
MAX_DEPTH = 256
"""Tuples, sets and code objects in one another."""
_OLD = (3413, 3425, 3439)
_NEW = (3495, 3531, 3571)
MAGICS = tuple(number.to_bytes(2, "little") + b"\r\n" for number in (*_OLD, *_NEW))
"""What files of CPython 3.8, 3.9, 3.10, 3.11, 3.12 and 3.13 begin with (importlib.util.MAGIC_NUMBER)."""
HEADER = 16
"""Bytes before the code object: magic, flags, and time and size of the source, or its hash (PEP 552)."""

_FNV_PRIME = cython.declare(cython.ulonglong, 0x100000001B3)  # FNV-1a of 64 bits (Fowler, Noll, Vo)
_FNV_BASIS = cython.declare(cython.ulonglong, 0xCBF29CE484222325)
_MULTIPLIER = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, TAOCP 6.4)
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_MASK32 = cython.declare(cython.ulonglong, (1 << 32) - 1)
_SIGN = cython.declare(cython.longlong, 1 << 31)
_MOST_OBJECTS = cython.declare(cython.int, MAX_OBJECTS)
_DEEPEST = cython.declare(cython.int, MAX_DEPTH)
_HEADER = cython.declare(cython.int, HEADER)
_CODE = cython.declare(cython.int, ord("c"))
_REFERENCE = cython.declare(cython.int, ord("r"))
_LONG = cython.declare(cython.int, ord("l"))
_FLAG = cython.declare(cython.int, 0x80)  # of an object that may be referred to (FLAG_REF)

_FIXED, _SIZED, _SHORT, _DIGITS, _ITEMS, _FEW_ITEMS = range(1, 7)
_FORMS = array("B", bytes(256))
"""What follows the type of an object (Python/marshal.c): bytes, sized ones, items; 0 for types that are not known."""
_SIZES = array("B", bytes(256))
for _types, _form, _size in (
    (b"NTFS.", _FIXED, 0),
    (b"i", _FIXED, 4),
    (b"g", _FIXED, 8),
    (b"y", _FIXED, 16),
    (b"stuaA", _SIZED, 4),
    (b"zZ", _SHORT, 1),
    (b"l", _DIGITS, 4),
    (b"(>", _ITEMS, 4),
    (b")", _FEW_ITEMS, 1),
):
    for _type in _types:
        _FORMS[_type], _SIZES[_type] = _form, _size
_FORM = cython.declare(cython.const[cython.uchar][::1], _FORMS)
_SIZE = cython.declare(cython.const[cython.uchar][::1], _SIZES)
_IS_SIZED = cython.declare(cython.int, _SIZED)
_IS_SHORT = cython.declare(cython.int, _SHORT)
_HAS_DIGITS = cython.declare(cython.int, _DIGITS)
_HAS_ITEMS = cython.declare(cython.int, _ITEMS)


def relative(pyc: bytes) -> bytes:
    """Return the view of a compiled file. Raises FormatError if it is none, or has what none may have."""
    return _converted(pyc, True)


def absolute(view: bytes) -> bytes:
    """Return the compiled file of that view. Raises FormatError if it is not the view of one."""
    return _converted(view, False)


def _converted(data: bytes, forward: bool) -> bytes:
    out = bytearray(data)
    if _walked(data, out, forward) != len(data):
        raise FormatError("a compiled file of Python that goes on after its end")
    return bytes(out)


def pyc_size(data: bytes | bytearray | memoryview) -> int:
    """Return how many bytes of `data` are the compiled file that it begins with.

    Raises CutShort if they are not all there, FormatError if it is none.
    """
    return _walked(data, bytearray(data), True)


def _walked(data: bytes | bytearray | memoryview, out: bytearray, forward: bool) -> int:
    magic = bytes(data[:4])
    if magic not in MAGICS:
        raise FormatError("no compiled file of Python")
    is_old = int.from_bytes(magic[:2], "little") in _OLD
    size: int = _ObjectWalk(data, out, forward, is_old).convert()
    return size


@cython.final
@cython.cclass
class _ObjectWalk:
    """Goes through a compiled file, or the view of one if not `forward`; `out` is a copy, which is converted."""

    _data: cython.const[cython.uchar][::1]
    _out: cython.uchar[::1]
    _at: cython.Py_ssize_t
    _end: cython.Py_ssize_t
    _forward: cython.bint
    _numbers_size: cython.int  # of the numbers that a code object begins with
    _tail: cython.int  # how many parts of a code object follow its first line
    # objects that may be referred to, counted from 1
    _count: cython.int
    _hashes: cython.ulonglong[::1]
    _labels: cython.ushort[::1]
    _numbers: cython.ushort[::1]  # by label
    _least: cython.int
    # containers around what is read
    _depth: cython.int
    _left: cython.uint[::1]  # parts still to come
    _sums: cython.ulonglong[::1]  # hashes of what they have had
    _own: cython.ushort[::1]  # their numbers, or 0
    _code_of: cython.uint[::1]  # if they are code objects, which, else 0
    _outer: cython.uint[::1]  # and the code object around
    # code objects, counted from 1 in the order of their beginnings
    _codes: cython.uint
    _code: cython.uint  # the innermost one around what is read, or 0
    _last: cython.uint[::1]  # the last one right within each
    _before: cython.uint[::1]  # the one whose line the line counts from
    _places: cython.uint[::1]  # where the line is

    def __init__(
        self, data: cython.const[cython.uchar][::1], out: cython.uchar[::1], forward: cython.bint, is_old: cython.bint
    ) -> None:
        self._data = data
        self._out = out
        self._at = 0
        self._end = len(data)
        self._forward = forward
        self._numbers_size, self._tail = (24, 1) if is_old else (20, 2)
        most = min(len(data), MAX_OBJECTS) + 1
        self._count = 0
        self._hashes = array("Q", bytes(8 * most))
        self._labels = array("H", bytes(2 * most))
        self._numbers = array("H", bytes(2 << 16))
        self._least = 1
        self._depth = 0
        self._left = array("I", bytes(4 * MAX_DEPTH))
        self._sums = array("Q", bytes(8 * MAX_DEPTH))
        self._own = array("H", bytes(2 * MAX_DEPTH))
        self._code_of = array("I", bytes(4 * MAX_DEPTH))
        self._outer = array("I", bytes(4 * MAX_DEPTH))
        codes = len(data) // 21 + 1
        self._codes = 0
        self._code = 0
        self._last = array("I", bytes(4 * codes))
        self._before = array("I", bytes(4 * codes))
        self._places = array("I", bytes(4 * codes))

    @cython.ccall
    def convert(self) -> cython.Py_ssize_t:
        """Convert what there is; return its size."""
        self._skip(_HEADER)
        while not self._object():
            pass
        self._lines()
        return self._at

    @cython.cfunc
    @cython.exceptval(-1)
    def _skip(self, size: cython.longlong) -> cython.int:
        if size > self._end - self._at:
            raise CutShort("a compiled file of Python that is cut short")
        self._at += size
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _number(self, size: cython.int) -> cython.longlong:
        """Return the next bytes as a number."""
        self._skip(size)
        if size == 1:
            return self._data[self._at - 1]
        return self._u4(self._at - 4)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _u4(self, at: cython.Py_ssize_t) -> cython.longlong:
        high: cython.longlong = self._data[at + 3] << 8 | self._data[at + 2]
        return high << 16 | self._data[at + 1] << 8 | self._data[at]

    @cython.cfunc
    @cython.exceptval(check=False)
    def _put(self, at: cython.Py_ssize_t, number: cython.longlong) -> cython.void:
        k: cython.Py_ssize_t
        for k in range(4):
            self._out[at + k] = number >> 8 * k & 0xFF

    @cython.cfunc
    @cython.exceptval(-1)
    def _object(self) -> cython.int:
        """Read an object, or the beginning of a container; return whether all is complete."""
        kind: cython.int = self._number(1)
        own: cython.int = 0
        value: cython.ulonglong
        if kind == _REFERENCE:
            return self._complete(self._reference())
        if kind & _FLAG:
            kind -= _FLAG
            if self._count == _MOST_OBJECTS:
                raise FormatError(f"a compiled file of Python with more than {_MOST_OBJECTS} objects to refer to")
            self._count += 1
            own = self._count
        start: cython.Py_ssize_t = self._at
        parts: cython.longlong = self._own_bytes(kind)
        value = ((_FNV_BASIS ^ kind) * _FNV_PRIME) & _MASK64
        while start < self._at:
            value = ((value ^ self._data[start]) * _FNV_PRIME) & _MASK64
            start += 1
        if parts:
            self._begin(kind, own, parts, value)
            return 0
        return self._complete(self._ended(own, value))

    @cython.cfunc
    @cython.exceptval(-1)
    def _own_bytes(self, kind: cython.int) -> cython.longlong:
        """Skip the bytes of an object, but its parts; return how many these are."""
        form: cython.int = _FORM[kind]
        size: cython.longlong
        if kind == _CODE:
            self._skip(self._numbers_size)
            return 8 + self._tail
        if form == 0:
            raise FormatError("a compiled file of Python with an unknown kind of object")
        if form < _IS_SIZED:
            self._skip(_SIZE[kind])
            return 0
        size = self._number(_SIZE[kind])
        if form >= _HAS_ITEMS:
            return size
        if form == _HAS_DIGITS:
            size = (size ^ _SIGN) - _SIGN
            size = 2 * (size if size >= 0 else -size)
        self._skip(size)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _begin(self, kind: cython.int, own: cython.int, parts: cython.longlong, value: cython.ulonglong) -> cython.int:
        top: cython.int = self._depth
        if top == _DEEPEST:
            raise FormatError(f"a compiled file of Python with objects more than {_DEEPEST} deep")
        self._depth += 1
        self._left[top] = parts & _MASK32
        self._sums[top] = value
        self._own[top] = own & 0xFFFF
        self._code_of[top] = 0
        if kind == _CODE:
            self._codes += 1
            self._code_of[top] = self._codes
            self._outer[top] = self._code
            self._before[self._codes] = self._last[self._code]
            self._last[self._code] = self._codes
            self._last[self._codes] = self._codes
            self._code = self._codes
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _complete(self, value: cython.ulonglong) -> cython.int:
        """Count a complete object with that hash in what is around it; return whether all is complete."""
        top: cython.int
        while self._depth:
            top = self._depth - 1
            self._sums[top] = ((self._sums[top] ^ value) * _FNV_PRIME) & _MASK64
            self._left[top] -= 1
            if self._code_of[top] and self._left[top] == self._tail:
                self._places[self._code] = self._at
                self._skip(4)
            if self._left[top]:
                return 0
            value = self._ended(self._own[top], self._sums[top])
            if self._code_of[top]:
                self._code = self._outer[top]
            self._depth = top
        return 1

    @cython.cfunc
    @cython.exceptval(check=False)
    def _ended(self, own: cython.int, value: cython.ulonglong) -> cython.ulonglong:
        """Return the hash of an object; if it may be referred to, it gets a label."""
        value = ((value ^ value >> 32) * _MULTIPLIER) & _MASK64
        if own == 0:
            return value
        label: cython.ulonglong = value
        tries: cython.int = 4
        while tries and (label & 0xFFFF == 0 or self._numbers[label & 0xFFFF]):
            label >>= 16
            tries -= 1
        if tries == 0:
            while self._numbers[self._least]:  # not more objects than labels
                self._least += 1
            label = self._least
        self._hashes[own] = value
        self._labels[own] = label & 0xFFFF
        self._numbers[label & 0xFFFF] = own
        return value

    @cython.cfunc
    @cython.exceptval(0, check=True)
    def _reference(self) -> cython.ulonglong:
        """Convert the number of an object, from 0, or its label; return the hash of the object."""
        given: cython.longlong = self._number(4)
        own: cython.int = 0
        if self._forward:
            if given < self._count and self._labels[given + 1]:
                own = given + 1
                self._put(self._at - 4, self._labels[own])
        elif given <= 0xFFFF and self._numbers[given]:
            own = self._numbers[given]
            self._put(self._at - 4, own - 1)
        if own == 0:
            raise FormatError("a compiled file of Python that refers to an object which it does not have")
        return self._hashes[own]

    @cython.cfunc
    @cython.exceptval(-1)
    def _lines(self) -> cython.int:
        """Convert the first lines of code objects."""
        lines: cython.uint[::1] = array("I", bytes(4 * self._codes + 4))
        number: cython.uint
        before: cython.longlong
        given: cython.longlong
        for number in range(1, self._codes + 1):
            given = self._u4(self._places[number])
            before = lines[self._before[number]]
            made: cython.longlong = (given - before if self._forward else given + before) & _MASK32
            lines[number] = given if self._forward else made
            self._put(self._places[number], made)
        return 0
