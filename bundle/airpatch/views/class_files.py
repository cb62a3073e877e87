# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: what `skip` has passed is there, and so is what is before the end of the part that is gone through; an
# instruction has 8 bits, as the tables have entries.
"""Class files of Java in a form that does not depend on the order of their constants (spec/VIEWS.md, Class files).

Instructions, members and attributes of a class name its constants by their numbers. Where a new build has one constant
more, those behind it get other numbers, and bytes differ all over the class. In the view a constant has a *label* of 16
bits in place of its number, which follows from what it says: so what did not change is the same in both builds, and is
the same in other classes. Lines are stated by their differences, for the same reason. Sizes stay.
"""

from __future__ import annotations

import cython

from airpatch.errors import FormatError
from airpatch.views import class_syntax as syntax

if cython.compiled:
    from cython.cimports.airpatch.views.class_constants import ClassConstants
else:
    from airpatch.views.class_constants import ClassConstants

MAGIC = syntax.MAGIC
MAX_CLASS = 1 << 22
"""Bytes of a class file, which is held as a whole by whoever reads one."""

_SIGN = cython.declare(cython.longlong, 1 << 31)
_UTF8 = cython.declare(cython.int, syntax.UTF8)
_TABLESWITCH = cython.declare(cython.int, syntax.TABLESWITCH)
_LOOKUPSWITCH = cython.declare(cython.int, syntax.LOOKUPSWITCH)
_WIDE = cython.declare(cython.int, syntax.WIDE)
_IINC = cython.declare(cython.int, syntax.IINC)
_LINES = cython.declare(cython.int, syntax.LINES)
_CODE = cython.declare(cython.int, syntax.CODE)
_RECORD = cython.declare(cython.int, syntax.RECORD)
_FRAMES = cython.declare(cython.int, syntax.FRAMES)
_METHODS = cython.declare(cython.int, syntax.METHODS)
_ANNOTATIONS = cython.declare(cython.int, syntax.ANNOTATIONS)
_PARAMETERS = cython.declare(cython.int, syntax.PARAMETERS)
_VALUE = cython.declare(cython.int, syntax.VALUE)
_LIST = cython.declare(cython.int, syntax.LIST)
_SHORT_LIST = cython.declare(cython.int, syntax.SHORT_LIST)
_ENUM = cython.declare(cython.int, syntax.ENUM)
_ANNOTATION = cython.declare(cython.int, syntax.ANNOTATION)
_ARRAY = cython.declare(cython.int, syntax.ARRAY)
_MAX_VALUES = cython.declare(cython.int, syntax.MAX_VALUES)
_LENGTHS = cython.declare(cython.const[cython.uchar][::1], syntax.LENGTHS)
_OPERANDS = cython.declare(cython.const[cython.uchar][::1], syntax.OPERANDS)


def labelled(class_file: bytes) -> bytes:
    """Return the view of a class file. Raises FormatError if it is none, or has what none may have."""
    return _converted(class_file, True)


def numbered(view: bytes) -> bytes:
    """Return the class file of that view. Raises FormatError if it is not the view of one."""
    return _converted(view, False)


def _converted(data: bytes, forward: bool) -> bytes:
    out = bytearray(data)
    _ClassWalk(data, out, forward).convert()
    return bytes(out)


def class_size(data: bytes | bytearray | memoryview) -> int:
    """Return how many bytes of `data` are the class file that it begins with, or the view of one.

    Raises CutShort if they are not all there, FormatError if it is none.
    """
    size: int = _ClassWalk(data, bytearray(), True).size()
    return size


@cython.final
@cython.cclass
class _ClassWalk(ClassConstants):
    """Goes through a class file."""

    _line: cython.uint  # of the entry before in tables of line numbers
    _patterns: dict[int, bytes]  # of attributes, by the numbers of their names

    def __init__(self, data: cython.const[cython.uchar][::1], out: cython.uchar[::1], forward: cython.bint) -> None:
        super().__init__(data, out, forward)
        self._line = 0
        self._patterns = {}

    @cython.ccall
    def size(self) -> cython.Py_ssize_t:
        """Return where the class file ends."""
        _: cython.int
        self.constants()
        self.skip(6)
        self.skip(2 * self.u2())
        for _ in range(2):
            for _ in range(self.u2()):
                self.skip(6)
                self._skip_attributes()
        self._skip_attributes()
        return self._at

    @cython.ccall
    def convert(self) -> cython.void:
        _: cython.int
        self.constants()
        self.label_all()
        self.skip(2)
        self.number()
        self.number()
        for _ in range(self.u2()):
            self.number()
        for _ in range(2):
            for _ in range(self.u2()):
                self.skip(2)
                self.number()
                self.number()
                self._attributes(False)
        self._attributes(False)
        if self._at != self._end:
            raise FormatError("a class file that goes on after its end")

    @cython.cfunc
    @cython.exceptval(-1)
    def _skip_attributes(self) -> cython.int:
        _: cython.int
        for _ in range(self.u2()):
            self.skip(2)
            self.skip(self.u4())
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _attributes(self, inside: cython.bint) -> cython.int:
        """Convert attributes; those `inside` of another attribute hold none themselves."""
        _: cython.int
        size: cython.longlong
        outer: cython.Py_ssize_t
        for _ in range(self.u2()):
            pattern: bytes = self._pattern(self.number())
            size = self.u4()
            if not pattern or (inside and pattern[0] in (_CODE, _RECORD)):
                self.skip(size)
                continue
            outer = self.begin_part(size)
            self._attribute(pattern)
            self.end_part(outer)
        return 0

    @cython.cfunc
    def _pattern(self, number: cython.int) -> bytes:
        """Return what an attribute holds whose name has that number; nothing if it is none that is known."""
        pattern = self._patterns.get(number)
        if pattern is None:
            at: cython.Py_ssize_t = self._starts[number]
            size: cython.Py_ssize_t = self._data[at] << 8 | self._data[at + 1] if self._tags[number] == _UTF8 else 0
            pattern = syntax.ATTRIBUTES.get(bytes(self._data[at + 2 : at + 2 + size]), b"")
            self._patterns[number] = pattern
        return pattern

    @cython.cfunc
    @cython.exceptval(-1)
    def _attribute(self, pattern: bytes) -> cython.int:
        _: cython.int
        kind: cython.int = pattern[0]
        if kind == _CODE:
            self._code()
            self._attributes(True)
        elif kind == _LINES:
            self._lines()
        elif kind == _FRAMES:
            for _ in range(self.u2()):
                self._frame()
        elif kind == _METHODS:
            for _ in range(self.u2()):
                self.number()
                for _ in range(self.u2()):
                    self.number()
        elif kind == _ANNOTATIONS:
            self._annotations()
        elif kind == _PARAMETERS:
            for _ in range(self.u1()):
                self._annotations()
        elif kind == _VALUE:
            self._value(0)
        elif kind == _RECORD:
            for _ in range(self.u2()):
                self.number()
                self.number()
                self._attributes(True)
        else:
            for _ in range(self.u2() if kind == _LIST else self.u1() if kind == _SHORT_LIST else 1):
                self._fields(pattern)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _fields(self, pattern: bytes) -> cython.int:
        k: cython.Py_ssize_t
        for k in range(1, len(pattern)):
            if pattern[k]:
                self.number()
            else:
                self.skip(2)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _lines(self) -> cython.int:
        _: cython.int
        start: cython.uint = 0
        for _ in range(self.u2()):
            start = self._differing(start)
            self._line = self._differing(self._line)
        return 0

    @cython.cfunc
    @cython.exceptval(check=True)
    def _differing(self, before: cython.uint) -> cython.uint:
        """Convert a value that the view states by its difference to the one before; return the value."""
        given: cython.uint = self.u2()
        if self._forward:
            self.put((given - before) & 0xFFFF)
            return given
        given = (given + before) & 0xFFFF
        self.put(given)
        return given

    @cython.cfunc
    @cython.exceptval(-1)
    def _code(self) -> cython.int:
        _: cython.int
        self.skip(4)
        outer: cython.Py_ssize_t = self.begin_part(self.u4())
        start: cython.Py_ssize_t = self._at
        first: cython.int
        # In bounds: at < end.
        while self._at < self._end:
            first = self._data[self._at]
            if _LENGTHS[first] == 0:
                self._long_instruction(start)
            elif _OPERANDS[first] == 0:
                self.skip(_LENGTHS[first])
            else:
                self.skip(1)
                if _OPERANDS[first] == 1:
                    self._loaded()
                else:
                    self.number()
                    self.skip(_LENGTHS[first] - 3)
        self.end_part(outer)
        for _ in range(self.u2()):
            self.skip(6)
            self.number()
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _long_instruction(self, start: cython.Py_ssize_t) -> cython.int:
        """Skip an instruction of code from `start` on whose length varies."""
        first: cython.int = self.u1()
        low: cython.longlong
        if first == _WIDE:
            self.skip(4 if self.u1() == _IINC else 2)
        elif first == _LOOKUPSWITCH:
            self.skip(((start - self._at) & 3) + 4)
            self.skip(8 * self.u4())
        elif first == _TABLESWITCH:
            self.skip(((start - self._at) & 3) + 4)
            low = (self.u4() ^ _SIGN) - _SIGN
            low = (self.u4() ^ _SIGN) - _SIGN - low
            if low < 0:
                raise FormatError("a class file with a table of no size")
            self.skip(4 * low + 4)
        else:
            raise FormatError("a class file with an unknown instruction")
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _loaded(self) -> cython.int:
        """Convert the number of one byte of a constant, or its label."""
        given: cython.int = self.u1()
        made: cython.int = self._byte_labels[given] if self._forward else self._byte_numbers[given]
        if made == 0:
            raise FormatError("a class file that loads a constant which it does not have")
        self._out[self._at - 1] = made
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _frame(self) -> cython.int:
        """Convert an entry of a StackMapTable (4.7.4)."""
        _: cython.int
        kind: cython.int = self.u1()
        if kind < 64:
            return 0
        if 128 <= kind < 247:
            raise FormatError("a class file with an unknown frame")
        if kind >= 247:
            self.skip(2)
        if kind == 255:
            for _ in range(2):
                for _ in range(self.u2()):
                    self._type()
        else:
            for _ in range(1 if kind <= 247 else kind - 251):
                self._type()
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _type(self) -> cython.int:
        kind: cython.int = self.u1()
        if kind == 7:  # an object of a class
            self.number()
        elif kind == 8:  # what an instruction made
            self.skip(2)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _annotations(self) -> cython.int:
        _: cython.int
        for _ in range(self.u2()):
            self._annotation(0)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _annotation(self, depth: cython.int) -> cython.int:
        _: cython.int
        self.number()
        for _ in range(self.u2()):
            self.number()
            self._value(depth + 1)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _value(self, depth: cython.int) -> cython.int:
        _: cython.int
        if depth > _MAX_VALUES:
            raise FormatError(f"a class file with values of annotations {_MAX_VALUES} deep")
        kind: cython.int = self.u1()
        if kind == _ANNOTATION:
            self._annotation(depth)
        elif kind == _ARRAY:
            for _ in range(self.u2()):
                self._value(depth + 1)
        else:
            self.number()
            if kind == _ENUM:
                self.number()
        return 0
