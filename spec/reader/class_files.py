"""Class files of Java with labels in place of the numbers of constants (VIEWS.md, Class files), and back."""

from collections.abc import Callable

from .errors import require
from .labels import BASIS, Labels, mixed, scrambled

MAX_CLASS = 4194304
CONSTANTS = {  # by tag: bytes, round, how many constants it names, bytes before those that count for nothing
    **{1: (2, 0, 0, 0), 3: (4, 0, 0, 0), 4: (4, 0, 0, 0), 5: (8, 0, 0, 0), 6: (8, 0, 0, 0), 12: (4, 1, 2, 0)},
    **dict.fromkeys((7, 8, 16, 19, 20), (2, 1, 1, 0)),
    **dict.fromkeys((9, 10, 11), (4, 2, 2, 0)),
    **{17: (4, 2, 1, 2), 18: (4, 2, 1, 2), 15: (3, 3, 1, 0)},
}
LOADED = (3, 4, 7, 8, 15, 16, 17)
FIELDS = {  # names of attributes, and what these hold: c and s as in the document, after a bracket as a list
    "c": ("ConstantValue", "Signature", "SourceFile", "NestHost"),
    "cc": ("EnclosingMethod",),
    "[c": ("Exceptions", "NestMembers", "PermittedSubclasses"),
    "[cccs": ("InnerClasses",),
    "[ssccs": ("LocalVariableTable", "LocalVariableTypeTable"),
    "{cs": ("MethodParameters",),
}
SIZES = {  # bytes behind the first one of an instruction that stay
    **dict.fromkeys((16, *range(21, 26), *range(54, 59), 169, 188), 1),
    **dict.fromkeys((17, 132, *range(153, 169), 198, 199), 2),
    **{200: 4, 201: 4},
}
NAMING = {  # bytes behind the number of a constant, two bytes, that an instruction has
    **dict.fromkeys((19, 20, *range(178, 185), 187, 189, 192, 193), 0),
    **{185: 2, 186: 2, 197: 1},
}


def convert(data: bytes, folding: bool) -> tuple[bytes, int]:
    """The view of the class file that the bytes begin with, or what it is of; and the size of either."""
    walk = Walk(data, folding)
    walk.run()
    return bytes(walk.out[: walk.at]), walk.at


class Walk:
    """Goes through a class file once."""

    def __init__(self, data: bytes, folding: bool) -> None:
        self.data, self.out, self.folding = data, bytearray(data), folding
        self.at, self.line = 0, 0
        self.tags: dict[int, int] = {}
        self.starts: dict[int, int] = {}  # of the bytes behind a tag
        self.hashes = {0: 0}
        self.labels, self.short = Labels(16, folding), Labels(8, folding)

    def number(self, size: int) -> int:
        """The next bytes as a number."""
        self.skip(size)
        return int.from_bytes(self.data[self.at - size : self.at], "big")

    def skip(self, size: int) -> None:
        """Bytes that stay."""
        require(size <= len(self.data) - self.at, "a class file that is cut short")
        self.at += size

    def put(self, number: int, size: int) -> None:
        """Write over the bytes that were read last."""
        self.out[self.at - size : self.at] = number.to_bytes(size, "big")

    def named(self) -> int:
        """Two bytes that name a constant; its number."""
        given = self.number(2)
        if not given:
            return 0
        require(given in self.labels.made, "a constant that is not there")
        self.put(self.labels.made[given], 2)
        return self.labels.numbers[given]

    def each(self, what: Callable[[], object], size: int = 2) -> None:
        """A count, and as many times what."""
        for _ in range(self.number(size)):
            what()

    def run(self) -> None:
        """All of it."""
        require(self.data[:4] == b"\xca\xfe\xba\xbe", "no class file")
        self.skip(8)
        count, number = self.number(2), 1
        while number < count:
            tag = self.number(1)
            require(tag in CONSTANTS, "an unknown constant")
            self.tags[number], self.starts[number] = tag, self.at
            self.skip(self.number(2) if tag == 1 else CONSTANTS[tag][0])
            number += 2 if tag in (5, 6) else 1
        end = self.at
        self.give_labels()
        self.at = end
        self.fields("scc")
        self.each(self.named)
        for _ in range(2):
            self.each(self.member)
        self.attributes(True)

    def give_labels(self) -> None:
        """Labels of all constants, and short ones."""
        for turn in range(4):
            for number in sorted(number for number, tag in self.tags.items() if CONSTANTS[tag][1] == turn):
                self.hashes[number] = self.hash(number)
                self.labels.give(number, self.hashes[number])
        for number in sorted(number for number, tag in self.tags.items() if tag in LOADED and number < 256):
            self.short.give(number, self.hashes[number])

    def hash(self, number: int) -> int:
        """The hash of a constant; what it names is converted."""
        tag = self.tags[number]
        size, _, names, silent = CONSTANTS[tag]
        start = self.starts[number]
        size += int.from_bytes(self.data[start : start + 2], "big") if tag == 1 else 0
        parts = [tag, *self.data[start : start + size - 2 * names - silent]]
        self.at = start + size - 2 * names
        parts += [self.hashes[self.named()] for _ in range(names)]
        return scrambled(mixed(BASIS, parts))

    def member(self) -> None:
        """A field or a method."""
        self.fields("scc")
        self.attributes(True)

    def fields(self, kinds: str) -> None:
        """What the document writes like this."""
        for kind in kinds:
            if kind == "c":
                self.named()
            else:
                self.skip(2)

    def attributes(self, outer: bool) -> None:
        """Attributes; outside of others, or inside."""
        self.each(lambda: self.attribute(outer))

    def attribute(self, outer: bool) -> None:
        """One of them."""
        name = self.named()
        size = self.number(4)
        content = self.content(self.text(name), outer)
        if content is None:
            self.skip(size)
            return
        end = self.at + size
        whole, self.data = self.data, self.data[:end]
        content()
        self.data = whole
        require(self.at == end, "an attribute of another size")

    def text(self, number: int) -> str:
        """What a constant of tag 1 says."""
        if self.tags.get(number) != 1:
            return ""
        start = self.starts[number]
        return self.data[start + 2 : start + 2 + int.from_bytes(self.data[start : start + 2], "big")].decode("latin-1")

    def content(self, name: str, outer: bool) -> Callable[[], None] | None:
        """What goes through an attribute of this name; nothing if it stays as it is."""
        kinds = next((kinds for kinds, names in FIELDS.items() if name in names), "")
        if kinds.startswith(("[", "{")):
            return lambda: self.each(lambda: self.fields(kinds[1:]), 2 if kinds[0] == "[" else 1)
        if kinds:
            return lambda: self.fields(kinds)
        known: dict[str, Callable[[], None]] = {
            "LineNumberTable": self.lines,
            "StackMapTable": lambda: self.each(self.frame),
            "BootstrapMethods": lambda: self.each(self.bootstrap),
            "AnnotationDefault": lambda: self.value(0),
        }
        if outer:
            known["Code"] = self.code
            known["Record"] = lambda: self.each(self.component)
        for seen in ("Visible", "Invisible"):
            known[f"Runtime{seen}Annotations"] = lambda: self.each(self.annotation)
            known[f"Runtime{seen}ParameterAnnotations"] = lambda: self.each(lambda: self.each(self.annotation), 1)
        return known.get(name)

    def bootstrap(self) -> None:
        """An entry of BootstrapMethods."""
        self.named()
        self.each(self.named)

    def component(self) -> None:
        """An entry of Record."""
        self.fields("cc")
        self.attributes(False)

    def lines(self) -> None:
        """LineNumberTable."""
        start = 0
        for _ in range(self.number(2)):
            start = self.difference(start)
            self.line = self.difference(self.line)

    def difference(self, before: int) -> int:
        """A number of two bytes that the view states by the one before."""
        given = self.number(2)
        made = (given + before if self.folding else given - before) & 0xFFFF
        self.put(made, 2)
        return made if self.folding else given

    def code(self) -> None:
        """Code."""
        self.skip(4)
        size = self.number(4)
        start, end = self.at, self.at + size
        whole, self.data = self.data, self.data[:end]
        while self.at < end:
            self.instruction(start)
        self.data = whole
        self.each(lambda: self.fields("sssc"))
        self.attributes(False)

    def instruction(self, start: int) -> None:
        """One of those that begin at `start`."""
        first = self.number(1)
        require(first <= 201, "an unknown instruction")
        if first == 18:
            given = self.number(1)
            require(given in self.short.made, "a constant that is not there")
            self.put(self.short.made[given], 1)
        elif first in NAMING:
            self.named()
            self.skip(NAMING[first])
        elif first == 196:
            self.skip(4 if self.number(1) == 132 else 2)
        elif first in (170, 171):
            self.skip((start - self.at) % 4 + 4)
            low = self.number(4)
            if first == 171:
                self.skip(8 * low)
            else:
                low, high = _signed(low), _signed(self.number(4))
                require(low <= high, "a table of no size")
                self.skip(4 * (high - low + 1))
        else:
            self.skip(SIZES.get(first, 0))

    def frame(self) -> None:
        """An entry of a StackMapTable."""
        kind = self.number(1)
        require(not 128 <= kind <= 246, "an unknown frame")
        if kind >= 247:
            self.skip(2)
        if kind == 255:
            self.each(self.type)
            self.each(self.type)
        for _ in range(1 if 64 <= kind <= 247 else kind - 251 if 252 <= kind <= 254 else 0):
            self.type()

    def type(self) -> None:
        """A type in a frame."""
        kind = self.number(1)
        self.fields({7: "c", 8: "s"}.get(kind, ""))

    def annotation(self, depth: int = 0) -> None:
        """An annotation of this depth."""
        self.named()
        for _ in range(self.number(2)):
            self.named()
            self.value(depth + 1)

    def value(self, depth: int) -> None:
        """A value of an annotation."""
        require(depth <= 16, "values too deep")
        kind = self.number(1)
        if kind == ord("@"):
            self.annotation(depth)
        elif kind == ord("["):
            self.each(lambda: self.value(depth + 1))
        else:
            self.fields("cc" if kind == ord("e") else "c")


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number
