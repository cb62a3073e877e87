"""Mixed literals and corrections (DELTA.md, Mixing): an arithmetic code of bits that mixed contexts predict."""

from array import array
from collections.abc import Iterable, Sequence

from .errors import require

MAX_MIXED, MAX_PIECE, BLOCK = 1 << 24, 1 << 20, 32
_M32, _M64 = 2**32 - 1, 2**64 - 1
_P = (
    *(1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047),
    *(2549, 2994, 3348, 3607, 3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094),
)
_SQUASH = [(_P[x >> 7] * (128 - (x & 127)) + _P[(x >> 7) + 1] * (x & 127) + 64) >> 7 for x in range(1, 4096)]
"""squash(x) stands at x + 2047."""
_STRETCH = [next((x for x in range(-2047, 2048) if _SQUASH[x + 2047] >= p), 2047) for p in range(4096)]
_RATES = [655360 // (10 * count + 16) for count in range(256)]
_POINTS = [0, *(16 * _SQUASH[128 * (i - 16) + 2047] for i in range(1, 32)), 16 * _SQUASH[-1]]


def _hash(context: int, kind: int) -> int:
    x = (context + 1) * 0x9E3779B97F4A7C15 + kind * 0xD6E8FEB86659FD93 & _M64
    return ((x ^ x >> 32) * 0x9E3779B97F4A7C15 & _M64) >> 32


def _hashes(first: int, contexts: Iterable[int]) -> list[int]:
    """The hashes of contexts of this kind and those that follow it."""
    return [_hash(context, kind) for kind, context in enumerate(contexts, first)]


def _joined(*fields: int) -> int:
    """The first two fields with 4 bits, all others with 8, from bit 0 up."""
    return fields[0] | fields[1] << 4 | sum(one << 8 * place for place, one in enumerate(fields[2:], 1))


class Coder:
    """The arithmetic code of one segment; `left` bytes have not been taken, below 0 if it is too short."""

    def __init__(self, data: bytes) -> None:
        """Begin to read; that there is a beginning is seen at the end."""
        self.bytes, self.left = iter(data[4:]), len(data) - 4
        self.low, self.high, self.code = 0, _M32, int.from_bytes(data[:4], "big")

    def bit(self, probability: int) -> int:
        """The next bit, of which 1 has this probability of 4096."""
        middle = self.low + (self.high - self.low >> 12) * probability
        bit = int(self.code <= middle)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while not (self.low ^ self.high) >> 24:
            require(self.left > 0, "mixed bytes that end early")
            self.low, self.high = self.low << 8 & _M32, self.high << 8 & _M32 | 0xFF
            self.code, self.left = self.code << 8 & _M32 | next(self.bytes), self.left - 1
        return bit


class _Model:
    """Probabilities of bits by the counters of some contexts, mixed."""

    def __init__(self, contexts: int, bits: int, sets: int, rows: int, rate: int) -> None:
        self.bits, self.rate = bits, rate
        self.counters = [(array("I", [1 << 21]) * (1 << bits), bytearray(1 << bits)) for _ in range(contexts)]
        self.weights = [[26000, 0] * contexts for _ in range(sets)]
        self.rows = [_POINTS[:] for _ in range(rows)]

    def _bit(self, coder: Coder, chosen: Sequence[int], weights: list[int], points: list[int]) -> int:
        """The next bit, by one counter of each context, a set of weights and a row."""
        inputs: list[int] = []
        for (probabilities, counts), at in zip(self.counters, chosen, strict=True):
            likely, count = probabilities[at] >> 10, counts[at]
            inputs += (_STRETCH[likely] if count else 0, (min(count, 31) * (likely - 2048)) >> 5)
        mixed = sum(one * weight >> 16 for one, weight in zip(inputs, weights, strict=True))
        mixed = max(-2047, min(2047, mixed))
        squashed = _SQUASH[mixed + 2047]
        point, part = (mixed + 2048) >> 7, (mixed + 2048) & 127
        refined = (points[point] * (128 - part) + points[point + 1] * part) >> 11
        bit = coder.bit(max(1, min(4095, (squashed + 3 * refined + 2) >> 2)))
        point += part > 64
        points[point] += (65536 * bit - points[point]) >> 6
        error = (4096 * bit - squashed) * self.rate
        for i, one in enumerate(inputs):
            weights[i] = max(-1048576, min(1048576, weights[i] + ((one * error + 32768) >> 16)))
        for (probabilities, counts), at in zip(self.counters, chosen, strict=True):
            likely, count = probabilities[at], counts[at]
            probabilities[at] = min(likely + (((bit << 22) - likely) * _RATES[count] >> 16), 2**22 - 1)
            counts[at] = min(count + 1, 255)
        return bit

    def flag(self, coder: Coder, hashes: Sequence[int], weights: int, row: int) -> int:
        """One bit."""
        return self._bit(coder, [one >> 32 - self.bits for one in hashes], self.weights[weights], self.rows[row])

    def byte(self, coder: Coder, hashes: Sequence[int], row: int, expected: int = 0, trust: int = 0) -> int:
        """Eight bits."""
        so_far = 1
        for count in range(8):
            if count == 4:
                hashes = [(one + so_far * 0x9E3779B1) * 0x85EBCA6B & _M32 for one in hashes]
            place = so_far if count < 4 else 1 << count - 4 | so_far & (1 << count - 4) - 1
            chosen = [16 * (one >> 36 - self.bits) + place for one in hashes]
            weights = so_far + 256 * (trust if (expected | 256) >> 8 - count == so_far else 0)
            bit = self._bit(coder, chosen, self.weights[weights], self.rows[256 * row + so_far])
            so_far = so_far << 1 | bit
        return so_far & 0xFF


def _kind(mode: int) -> int:
    """A mode without its base."""
    return mode if mode < 8 else 8 + (mode - 8) % 3


class Mixing:
    """What a delta's mixed segments know of each other; `coder` is that of the segment."""

    def __init__(self, size: int) -> None:
        """Make the models for a target of this size."""
        bits = max(12, min(20, size.bit_length() + 1))
        self.literals = _Model(9, bits, 768, 768, 6)
        self.flags = _Model(5, min(bits, 18), 100, 3073, 4)
        self.values = _Model(6, min(bits, 19), 256, 2048, 6)
        self.coder = Coder(b"")
        self.mixed = 0
        self.made = 0  # t1 in bits 0 to 7, t2 behind it, and so on up to t8
        self.kept, self.count = bytearray(1 << min(bits + 2, 22)), 0
        self.slots, self.shift = array("I", [0]) * (1 << min(bits, 18)), 32 - min(bits, 18)
        self.like = self.alike = 0
        self.wrong_pieces = self.wrong_blocks = 0  # flags, the last one lowest
        self.values_before = (0, 0)

    def begin(self, data: bytes) -> "Mixing":
        """Begin a segment that has these mixed bytes."""
        self.coder = Coder(data)
        return self

    def _mix(self, count: int) -> None:
        self.mixed += count
        require(self.mixed <= MAX_MIXED, "too many mixed bytes")

    def _flag(self, kind: int, contexts: tuple[int, ...], weights: int, row: int) -> int:
        return self.flags.flag(self.coder, _hashes(kind, contexts), weights, row)

    def literal(self, size: int, following: bytes, offset: int) -> bytes:
        """A literal at this offset of the target; `following` are the source's bytes behind the last copy."""
        self._mix(size)
        out = bytearray()
        for at in range(size):
            made, ahead = self.made, following[at] if at < len(following) else 0
            expected = self.kept[self.like % len(self.kept)] if self.alike else 0
            trust = (1 + (self.alike > 15)) if self.alike else 0
            t1, t4 = made & 0xFF, made >> 24 & 0xFF
            contexts = (
                *(t1, made & 0xFFFF, made & 0xFFFFFF, made & _M32, made & 0xFFFFFFFFFFFF),
                *(ahead | t1 << 8, expected | min(self.alike, 15) << 8, made & 0xFFF8C7F8),
                t1 | t4 << 8 | (offset + at & 3) << 16,
            )
            out.append(self.literals.byte(self.coder, _hashes(0, contexts), trust, expected, trust))
            self.made = made << 8 & _M64 | out[-1]
            self._keep(out[-1], expected)
        return bytes(out)

    def _keep(self, byte: int, expected: int) -> None:
        kept, ring = self.kept, len(self.kept)
        right = self.alike and byte == expected
        self.alike, self.like = (self.alike + 1, self.like + 1) if right else (0, self.like)
        kept[self.count % ring] = byte
        self.count += 1
        slot = _hash(self.made & 0xFFFFFFFFFF, 9) >> self.shift
        if not self.alike:
            last, like, alike = self.count - 1, self.slots[slot] - 1, 0
            while alike < min(32, like + 1) and kept[(like - alike) % ring] == kept[(last - alike) % ring]:
                alike += 1
            self.like, self.alike = like + 1, alike if alike >= 4 else 0
        self.slots[slot] = self.count

    def is_right(self, piece: bytes | bytearray, mode: int) -> bool:
        """Whether a piece of a copy that was predicted with a mode (0 if not) is right."""
        k = _kind(mode)
        size, last = len(piece), self.wrong_pieces
        rank = (size >= 16) + (size >= 64) + (size >= 256)
        contexts = (k, k | rank << 4, k | (last & 7) << 4 | rank << 8, last, k | min(size, 1000) << 4)
        wrong = self._flag(16, contexts, 0, 2816)
        self.wrong_pieces = last << 1 & 0xFF | wrong
        if not wrong:
            self.made = int.from_bytes(self.made.to_bytes(8, "big") + piece[-8:], "big") & _M64
        return not wrong

    def correct(self, piece: bytearray, mode: int, address: int) -> None:
        """Correct a piece that is not right, and is for this address of the target."""
        k = _kind(mode)
        run = wrongs = 0  # right bytes since the last wrong one; which bytes were wrong, the last one lowest
        field = 0  # which byte of an x86-64 field the next one is, from 1; 0 if it is in none
        copied = piece + b"\0"
        for begin in range(0, len(piece), BLOCK):
            end, last = min(begin + BLOCK, len(piece)), self.wrong_blocks
            contexts: tuple[int, ...] = (
                *(k, k | (last & 15) << 4, k | last << 4, k | min(run >> 5, 15) << 4 | (last & 3) << 12),
                k | copied[begin] << 4 | copied[begin + 1] << 12,
            )
            block = self._flag(21, contexts, 1 + k, 2817 + last)
            self.wrong_blocks = last << 1 & 0xFF | block
            wrong, right = 0, True
            for at in range(begin, end):
                c1, c2, made = copied[at], copied[at + 1], self.made
                f = field if k < 2 else (address + at) % (4 if k in (2, 4) else 8)
                if block:
                    d = run if run <= 10 else 11 + (run > 16) + (run > 32) + (run > 64) + (run > 255)
                    contexts = (
                        *(_joined(k, f, d), _joined(k, f, c1, made & 0xFF), _joined(k, 0, c1, c2, made & 0xFFFF)),
                        *(_joined(k, f, wrongs), _joined(k, 0, c1, made & 0xFFFFFF)),
                    )
                    only = right and at == end - 1
                    wrong = 1 if only else self._flag(26, contexts, 12 + 8 * k + f, d + 16 * f + 256 * k)
                    wrongs, right = wrongs << 1 & 0xFFFF | wrong, right and not wrong
                if wrong:
                    self._mix(1)
                    v1, v2 = self.values_before
                    contexts = (
                        *(_joined(k, f, run), _joined(k, f, c1), _joined(k, f, c1, made & 0xFF)),
                        *(
                            _joined(k, f, v1, min(run, 3)),
                            _joined(k, f, v1, v2, min(run, 3)),
                            c1 | (made & 0xFFFF) << 8,
                        ),
                    )
                    value = self.values.byte(self.coder, _hashes(31, contexts), f)
                    self.values_before = (value, v1)
                    piece[at] = (c1 + value) & 0xFF
                run = 0 if wrong else run + 1
                byte = piece[at]
                self.made = made << 8 & _M64 | byte
                if field:
                    field = (field + 1) % 5
                elif byte in (0xE8, 0xE9) or byte & 0xC7 == 5 or (byte & 0xF0 == 0x80 and made & 0xFF == 0x0F):
                    field = 1
