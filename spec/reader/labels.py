"""Labels in place of numbers, in views of class files and of compiled files of Python (VIEWS.md)."""

from collections.abc import Iterable

BASIS = 0xCBF29CE484222325
_MASK = (1 << 64) - 1


def mixed(value: int, parts: Iterable[int]) -> int:
    """FNV-1a of 64 bits, from a value on."""
    for part in parts:
        value = (value ^ part) * 0x100000001B3 & _MASK
    return value


def scrambled(value: int) -> int:
    """What a hash becomes at the end."""
    return (value ^ value >> 32) * 0x9E3779B97F4A7C15 & _MASK


class Labels:
    """Labels of so many bits, and the numbers that have them: what is read of one kind becomes the other."""

    def __init__(self, bits: int, folding: bool) -> None:
        self.bits, self.folding = bits, folding
        self.taken, self.least = {0}, 1
        self.made: dict[int, int] = {}  # what to write in place of a number, or, folding, of a label
        self.numbers: dict[int, int] = {}  # the number that this means

    def give(self, number: int, value: int) -> None:
        """Give a number the first free label of its hash, else the least one."""
        tries = (value >> shift & (1 << self.bits) - 1 for shift in range(0, 64, self.bits))
        label = next((each for each in tries if each not in self.taken), 0)
        while not label:
            label = self.least if self.least not in self.taken else 0
            self.least += 1
        self.taken.add(label)
        given, made = (label, number) if self.folding else (number, label)
        self.made[given], self.numbers[given] = made, number
