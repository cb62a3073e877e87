"""Compiled files of Python with labels in place of numbers (VIEWS.md, Compiled files of Python), and back."""

from dataclasses import dataclass, field

from .errors import require
from .labels import BASIS, Labels, mixed, scrambled

MAX_PYC = 4194304
MAX_OBJECTS = 65535
MAX_DEPTH = 256
PLAIN = {**dict.fromkeys(b"NTFS.", 0), ord("i"): 4, ord("g"): 8, ord("y"): 16}  # types without sizes: their bytes
SIZED = {**dict.fromkeys(b"stuaA", 4), **dict.fromkeys(b"zZ", 1)}  # types with a size: the bytes of that
COUNTED = {ord("("): 4, ord(">"): 4, ord(")"): 1}  # types with parts: the bytes of their count
CODE = {  # by version: bytes of numbers, parts before the line, parts behind it
    **dict.fromkeys((3413, 3425, 3439), (24, 8, 1)),
    **dict.fromkeys((3495, 3531, 3571), (20, 8, 2)),
}


def convert(data: bytes, folding: bool) -> tuple[bytes, int]:
    """The view of the compiled file that the bytes begin with, or what it is of; and the size of either."""
    require(len(data) >= 16 and data[2:4] == b"\r\n", "no compiled file of Python")
    version = int.from_bytes(data[:2], "little")
    require(version in CODE, "a compiled file of an unknown version of Python")
    walk = Walk(data, folding, CODE[version])
    outermost: list[Code] = []
    walk.object(outermost, 0)
    walk.lines(outermost, 0)
    return bytes(walk.out[: walk.at]), walk.at


@dataclass
class Code:
    """A code object."""

    line: int = 0  # where the number of its line is
    within: "list[Code]" = field(default_factory=list)  # code objects directly within


class Walk:
    """Goes through a compiled file once."""

    def __init__(self, data: bytes, folding: bool, code: tuple[int, int, int]) -> None:
        self.data, self.out, self.folding, self.code = data, bytearray(data), folding, code
        self.at = 16
        self.count = 0
        self.hashes: dict[int, int] = {}  # by number
        self.labels = Labels(16, folding)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        require(size <= len(self.data) - self.at, "a compiled file of Python that is cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int = 4) -> int:
        """The next bytes as a number."""
        return int.from_bytes(self.take(size), "little")

    def object(self, around: list[Code], depth: int) -> int:
        """An object so deep, directly within that of which `around` has the code objects; its hash."""
        kind = self.number(1)
        if kind == ord("r"):
            given = self.number()
            require(given in self.labels.made, "an object that is not there")
            self.out[self.at - 4 : self.at] = self.labels.made[given].to_bytes(4, "little")
            return self.hashes[self.labels.numbers[given]]
        number = self.count if kind & 128 else None
        kind &= 127
        if number is not None:
            self.count += 1
            require(self.count <= MAX_OBJECTS, "too many objects that may be referred to")
        start = self.at
        first, second = self.parts(kind)
        value = mixed(BASIS, [kind, *self.data[start : self.at]])
        require(not first or depth < MAX_DEPTH, "objects too deep")
        code = Code()
        if kind == ord("c"):
            around.append(code)
            around = code.within
        for _ in range(first):
            value = mixed(value, [self.object(around, depth + 1)])
        if kind == ord("c"):
            code.line = self.at
            self.take(4)
        for _ in range(second):
            value = mixed(value, [self.object(around, depth + 1)])
        value = scrambled(value)
        if number is not None:
            self.hashes[number] = value
            self.labels.give(number, value)
        return value

    def parts(self, kind: int) -> tuple[int, int]:
        """How many parts there are, before a line and behind it; other bytes of the object are taken."""
        if kind == ord("c"):
            numbers, first, second = self.code
            self.take(numbers)
            return first, second
        if kind in COUNTED:
            return self.number(COUNTED[kind]), 0
        if kind == ord("l"):
            digits = self.number()
            self.take(2 * (digits if digits < 1 << 31 else (1 << 32) - digits))
        elif kind in SIZED:
            self.take(self.number(SIZED[kind]))
        else:
            require(kind in PLAIN, "an unknown type")
            self.take(PLAIN[kind])
        return 0, 0

    def lines(self, codes: list[Code], before: int) -> None:
        """The lines of code objects in one, which has this line."""
        for code in codes:
            given = int.from_bytes(self.data[code.line : code.line + 4], "little")
            made = (given + before if self.folding else given - before) & 0xFFFFFFFF
            self.out[code.line : code.line + 4] = made.to_bytes(4, "little")
            before = made if self.folding else given
            self.lines(code.within, before)
