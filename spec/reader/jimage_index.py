"""Indexes of a JDK's `modules` file (VIEWS.md, Indexes of jimage), as lists of resources and back."""

import struct

from .errors import require

MAX_INDEX = 16777216
SEED = 0x01000193


def convert(data: bytes, folding: bool) -> tuple[bytes, int]:
    """The view of the index that the bytes begin with, or what it is of; and the size of either."""
    if folding:
        return fold(data), len(data)
    size = size_of(data)[0]
    require(size <= len(data), "an index that is cut short")
    return expand(data[:size]), size


def size_of(head: bytes) -> tuple[int, int, int, int]:
    """How many bytes the index has, and the numbers n, a and s of its header."""
    require(len(head) >= 28 and head[:4] == b"\xda\xda\xfe\xca", "no index of jimage")
    count, again, attributes, strings = struct.unpack_from("<4I", head, 12)
    size = 28 + 8 * count + attributes + strings
    require(count == again and strings, "no index of jimage")
    require(max(size, 28 + strings + 28 * count) <= MAX_INDEX, "an index over its limit")
    return size, count, attributes, strings


def expand(index: bytes) -> bytes:
    """The view of a whole index."""
    size, count, attributes, strings = size_of(index)
    first = 28 + 8 * count
    rows = []
    for place in struct.unpack_from(f"<{count}I", index, 28 + 4 * count):
        row, at = [0] * 8, first + place
        while at < first + attributes and (kind := index[at] >> 3):
            width = (index[at] & 7) + 1
            require(kind < 8 and width <= 4, "an attribute that nobody knows")
            row[kind] = int.from_bytes(index[at + 1 : at + 1 + width], "big")
            at += 1 + width
        rows.append(row[1:])
    view = index[:28] + index[size - strings :]
    expected = [0] * 7
    for row in sorted(rows, key=lambda row: (row[4], row[:4], row[5:])):
        view += struct.pack("<7I", *((one - other) & 0xFFFFFFFF for one, other in zip(row, expected, strict=True)))
        expected = _after(row)
    require(fold(view) == index, "an index that is made otherwise")
    return view


def _after(row: list[int]) -> list[int]:
    return [*row[:4], row[4] + (row[5] or row[6]), 0, 0]


def fold(view: bytes) -> bytes:
    """The index of this view."""
    size, count, most, size_of_strings = size_of(view)
    require(len(view) == 28 + size_of_strings + 28 * count, "a view of another size")
    strings = view[28 : 28 + size_of_strings]
    require(strings[-1] == 0, "strings without an end")
    rows = []
    expected = [0] * 7
    for at in range(28 + size_of_strings, len(view), 28):
        row = [
            one + other & 0xFFFFFFFF for one, other in zip(struct.unpack_from("<7I", view, at), expected, strict=True)
        ]
        require(max(row[:4]) < size_of_strings, "a name that is not there")
        rows.append(row)
        expected = _after(row)
    redirection, order = Places([_name(row, strings) for row in rows], 32 * size + 65536).give()
    attributes, starts = b"\0", []
    for number in order:
        starts.append(len(attributes))
        for kind, value in enumerate(rows[number], 1):
            data = value.to_bytes((value.bit_length() + 7) // 8, "big")
            attributes += bytes([8 * kind + len(data) - 1]) + data if data else b""
        attributes += b"\0"
    require(len(attributes) <= most, "more attributes than the header says")
    tables = struct.pack(f"<{count}i", *redirection) + struct.pack(f"<{count}I", *starts)
    return view[:28] + tables + attributes.ljust(most, b"\0") + strings


def _name(row: list[int], strings: bytes) -> tuple[bytes, int]:
    """What is hashed of a resource, and how much that counts."""
    parts = [strings[at : strings.index(0, at)] for at in row[:4]]
    forms = (b"/%s/", b"%s/", b"%s", b".%s")
    used = [at > 0 or part == 2 for part, at in enumerate(row[:4])]
    name = b"".join(form % part for form, part, use in zip(forms, parts, used, strict=True) if use)
    return name, 16 + sum(len(part) for part, use in zip(parts, used, strict=True) if use)


class Places:
    """Gives places to names."""

    def __init__(self, names: list[tuple[bytes, int]], left: int) -> None:
        self.names, self.left = names, left

    def hash(self, number: int, seed: int) -> int:
        """The hash of a name."""
        name, counts = self.names[number]
        self.left -= counts
        require(self.left >= 0, "names that take too long")
        for byte in name:
            seed = seed * SEED & 0xFFFFFFFF ^ byte
        return (seed & 0x7FFFFFFF) % len(self.names)

    def give(self) -> tuple[list[int], list[int]]:
        """The redirection, and whose each place is."""
        count = len(self.names)
        buckets: dict[int, list[int]] = {}
        for number in range(count):
            buckets.setdefault(self.hash(number, SEED), []).append(number)
        redirection = [0] * count
        taken: dict[int, int] = {}
        free = 0
        for at in sorted(buckets, key=lambda at: (-len(buckets[at]), at)):
            if len(buckets[at]) > 1:
                redirection[at] = self.seed(buckets[at], taken)
                continue
            while free in taken:
                free += 1
            taken[free] = buckets[at][0]
            redirection[at] = -1 - free
        return redirection, [taken[place] for place in range(count)]

    def seed(self, numbers: list[int], taken: dict[int, int]) -> int:
        """The seed by which these names get places."""
        for seed in range(SEED + 1, SEED + 1001):
            places: dict[int, int] = {}
            for number in numbers:
                place = self.hash(number, seed)
                if place in taken or place in places:
                    break
                places[place] = number
            else:
                taken.update(places)
                return seed
        require(False, "names that have no places")
        return 0
