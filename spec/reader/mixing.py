"""Mixed literals and corrections (DELTA.md, Mixing): an arithmetic code of bits that mixed contexts predict."""

from array import array
from collections.abc import Sequence

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


def _joined(*fields: int) -> int:
    """The first two fields with 4 bits, all others with 8, from bit 0 up."""
    context = fields[0] | fields[1] << 4
    for place, one in enumerate(fields[2:], 1):
        context |= one << 8 * place
    return context


class Coder:
    """The arithmetic code of one segment."""

    def __init__(self, data: bytes) -> None:
        """Begin to read; that there is a beginning is seen at the end."""
        self.data, self.at = data, 4
        self.low, self.high, self.code = 0, _M32, int.from_bytes(data[:4], "big")

    def bit(self, probability: int) -> int:
        """The next bit, of which 1 has this probability of 4096 (FormatError if there is none)."""
        middle = self.low + (self.high - self.low >> 12) * probability
        bit = int(self.code <= middle)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while not (self.low ^ self.high) >> 24:
            require(self.at < len(self.data), "mixed bytes that end early")
            self.low, self.high = self.low << 8 & _M32, self.high << 8 & _M32 | 0xFF
            self.code = self.code << 8 & _M32 | self.data[self.at]
            self.at += 1
        return bit


class _Model:
    """Probabilities of bits by the counters of some contexts, mixed."""

    def __init__(self, contexts: int, bits: int, sets: int, rows: int, rate: int) -> None:
        self.bits, self.rate = bits, rate
        self.probabilities = [array("I", [1 << 21]) * (1 << bits) for _ in range(contexts)]
        self.counts = [bytearray(1 << bits) for _ in range(contexts)]
        self.weights = [[26000, 0] * contexts for _ in range(sets)]
        self.rows: list[list[int]] = [_POINTS[:] for _ in range(rows)]

    def bit(self, coder: Coder, counters: Sequence[int], chosen: int, row: int) -> int:
        """The next bit, by one counter of each context, a set of weights and a row."""
        inputs: list[int] = []
        for probabilities, counts, counter in zip(self.probabilities, self.counts, counters, strict=True):
            likely, count = probabilities[counter] >> 10, counts[counter]
            inputs += (_STRETCH[likely] if count else 0, (min(count, 31) * (likely - 2048)) >> 5)
        weights, points = self.weights[chosen], self.rows[row]
        mixed = sum(one * weight >> 16 for one, weight in zip(inputs, weights, strict=True))
        mixed = max(-2047, min(2047, mixed))
        squashed = _SQUASH[mixed + 2047]
        at, part = (mixed + 2048) >> 7, (mixed + 2048) & 127
        refined = (points[at] * (128 - part) + points[at + 1] * part) >> 11
        bit = coder.bit(max(1, min(4095, (squashed + 3 * refined + 2) >> 2)))
        at += part > 64
        points[at] += (65536 * bit - points[at]) >> 6
        error = (4096 * bit - squashed) * self.rate
        for i, one in enumerate(inputs):
            weights[i] = max(-1048576, min(1048576, weights[i] + ((one * error + 32768) >> 16)))
        for probabilities, counts, counter in zip(self.probabilities, self.counts, counters, strict=True):
            likely, count = probabilities[counter], counts[counter]
            probabilities[counter] = min(likely + (((bit << 22) - likely) * _RATES[count] >> 16), 2**22 - 1)
            counts[counter] = min(count + 1, 255)
        return bit

    def flag(self, coder: Coder, hashes: Sequence[int], chosen: int, row: int) -> int:
        """One bit."""
        return self.bit(coder, [one >> 32 - self.bits for one in hashes], chosen, row)

    def byte(self, coder: Coder, hashes: Sequence[int], row: int, expected: int = 0, trust: int = 0) -> int:
        """Eight bits."""
        so_far = 1
        for count in range(8):
            if count == 4:
                hashes = [(one + so_far * 0x9E3779B1) * 0x85EBCA6B & _M32 for one in hashes]
            place = so_far if count < 4 else 1 << count - 4 | so_far & (1 << count - 4) - 1
            trusted = trust if (expected | 256) >> 8 - count == so_far else 0
            counters = [16 * (one >> 36 - self.bits) + place for one in hashes]
            so_far = so_far << 1 | self.bit(coder, counters, so_far + 256 * trusted, 256 * row + so_far)
        return so_far & 0xFF


class Mixing:
    """What a delta's mixed segments know of each other."""

    def __init__(self, size: int) -> None:
        """Make the models for a target of this size."""
        bits = max(12, min(20, size.bit_length() + 1))
        self.literals = _Model(9, bits, 768, 768, 6)
        self.flags = _Model(5, min(bits, 18), 82, 2561, 4)
        self.values = _Model(6, min(bits, 19), 256, 2048, 6)
        self.coder = Coder(bytes(4))
        self.mixed = 0
        self.made = 0  # t1 in bits 0 to 7, t2 behind it, and so on up to t8
        self.kept, self.count = bytearray(1 << min(bits + 2, 22)), 0
        self.slots, self.shift = array("I", [0]) * (1 << min(bits, 18)), 32 - min(bits, 18)
        self.like, self.alike = 0, 0
        self.wrong_pieces, self.wrong_blocks, self.last_values = 0, 0, (0, 0)

    def begin(self, data: bytes) -> None:
        """Begin a segment whose mixed bytes these are."""
        self.coder = Coder(data)

    def end(self) -> None:
        """End a segment (FormatError if bytes are left)."""
        require(self.coder.at == len(self.coder.data), "mixed bytes that are not used up")

    def _make(self, byte: int) -> None:
        self.made = self.made << 8 & _M64 | byte

    def _count(self, count: int) -> None:
        self.mixed += count
        require(self.mixed <= MAX_MIXED, "too many mixed bytes")

    def literal(self, size: int, following: bytes, offset: int) -> bytes:
        """A literal at this offset of the target; `following` are the source's bytes behind the last copy."""
        self._count(size)
        out = bytearray()
        for at in range(size):
            ahead = following[at] if at < len(following) else 0
            out.append(self._literal(ahead, offset + at))
        return bytes(out)

    def _literal(self, ahead: int, offset: int) -> int:
        made, ring = self.made, len(self.kept) - 1
        expected = self.kept[self.like & ring] if self.alike else 0
        trust = (1 + (self.alike > 15)) if self.alike else 0
        t1, t4 = made & 0xFF, made >> 24 & 0xFF
        contexts = (
            t1,
            made & 0xFFFF,
            made & 0xFFFFFF,
            made & _M32,
            made & 0xFFFFFFFFFFFF,
            ahead | t1 << 8,
            expected | min(self.alike, 15) << 8,
            made & 0xFFF8C7F8,
            t1 | t4 << 8 | (offset & 3) << 16,
        )
        hashes = [_hash(context, kind) for kind, context in enumerate(contexts)]
        byte = self.literals.byte(self.coder, hashes, trust, expected, trust)
        self._make(byte)
        self._keep(byte, expected)
        return byte

    def _keep(self, byte: int, expected: int) -> None:
        ring = len(self.kept) - 1
        if self.alike and byte == expected:
            self.alike, self.like = self.alike + 1, self.like + 1
        else:
            self.alike = 0
        self.kept[self.count & ring] = byte
        self.count += 1
        slot = _hash(self.made & 0xFFFFFFFFFF, 9) >> self.shift
        if not self.alike:
            self.like, alike = self.slots[slot], 0
            most = min(32, self.like)
            while alike < most and self.kept[self.like - 1 - alike & ring] == self.kept[self.count - 1 - alike & ring]:
                alike += 1
            self.alike = alike if alike >= 4 else 0
        self.slots[slot] = self.count

    def correct(self, copy: bytearray, mode: int, address: int) -> None:
        """Correct a copy that was predicted with a mode (0 if not), and is for this address of the target."""
        kind = mode if mode < 6 else 6 + mode % 3
        for begin in range(0, len(copy), MAX_PIECE):
            piece = copy[begin : begin + MAX_PIECE]
            if self._is_wrong(len(piece), kind):
                _Piece(self, piece, kind, address + begin).correct()
                copy[begin : begin + MAX_PIECE] = piece
            else:
                for byte in piece[-8:]:
                    self._make(byte)

    def _is_wrong(self, size: int, kind: int) -> int:
        rank = (size >= 16) + (size >= 64) + (size >= 256)
        contexts = (
            kind,
            kind | rank << 4,
            kind | (self.wrong_pieces & 7) << 4 | rank << 8,
            self.wrong_pieces & 0xFF,
            kind | min(size, 1000) << 4,
        )
        wrong = self.flags.flag(self.coder, [_hash(one, at) for at, one in enumerate(contexts, 16)], 0, 2304)
        self.wrong_pieces = self.wrong_pieces << 1 & 0xFF | wrong
        return wrong


class _Piece:
    """A piece of a copy of which something is wrong."""

    def __init__(self, mixing: Mixing, piece: bytearray, kind: int, address: int) -> None:
        self.mixing, self.piece, self.kind, self.address = mixing, piece, kind, address
        self.run, self.wrong = 0, 0  # right bytes since the last wrong one; which ones were wrong
        self.field = 0  # which byte of an x86-64 field the next one is, from 1; 0 if it is in none

    def correct(self) -> None:
        for begin in range(0, len(self.piece), BLOCK):
            end = min(begin + BLOCK, len(self.piece))
            if self._is_wrong(begin):
                self._block(begin, end)
            else:
                for at in range(begin, end):
                    self._finish(at)
                self.run += end - begin

    def _copied(self, at: int) -> int:
        return self.piece[at] if at < len(self.piece) else 0

    def _is_wrong(self, begin: int) -> int:
        mixing, kind = self.mixing, self.kind
        last = mixing.wrong_blocks
        contexts = (
            kind,
            kind | (last & 15) << 4,
            kind | last << 4,
            _joined(kind, min(self.run >> 5, 15), 0) | (last & 3) << 12,
            kind | self.piece[begin] << 4 | self._copied(begin + 1) << 12,
        )
        hashes = [_hash(one, at) for at, one in enumerate(contexts, 21)]
        wrong = mixing.flags.flag(mixing.coder, hashes, 1 + kind, 2305 + last)
        mixing.wrong_blocks = last << 1 & 0xFF | wrong
        return wrong

    def _block(self, begin: int, end: int) -> None:
        right = True
        for at in range(begin, end):
            phase = self._phase(at)
            wrong = 1 if right and at == end - 1 else self._flag(at, phase)
            self.wrong = self.wrong << 1 & 0xFFFF | wrong
            if wrong:
                right = False
                self.mixing._count(1)
                self.piece[at] = (self.piece[at] + self._value(at, phase)) & 0xFF
                self.run = 0
            else:
                self.run += 1
            self._finish(at)

    def _phase(self, at: int) -> int:
        if self.kind < 2:
            return self.field
        return (self.address + at) % (4 if self.kind in (2, 4) else 8)

    def _flag(self, at: int, phase: int) -> int:
        mixing, kind, run = self.mixing, self.kind, self.run
        made, c1, c2 = mixing.made, self.piece[at], self._copied(at + 1)
        distance = run if run <= 10 else 11 + (run > 16) + (run > 32) + (run > 64) + (run > 255)
        contexts = (
            _joined(kind, phase, distance),
            _joined(kind, phase, c1, made & 0xFF),
            _joined(kind, 0, c1, c2, made & 0xFFFF),
            _joined(kind, phase, self.wrong),
            _joined(kind, 0, c1, made & 0xFFFFFF),
        )
        hashes = [_hash(one, number) for number, one in enumerate(contexts, 26)]
        return mixing.flags.flag(mixing.coder, hashes, 10 + 8 * kind + phase, distance + 16 * phase + 256 * kind)

    def _value(self, at: int, phase: int) -> int:
        mixing, kind, run = self.mixing, self.kind, self.run
        made, c1, (v1, v2) = mixing.made, self.piece[at], mixing.last_values
        contexts = (
            _joined(kind, phase, run),
            _joined(kind, phase, c1),
            _joined(kind, phase, c1, made & 0xFF),
            _joined(kind, phase, v1, min(run, 3)),
            _joined(kind, phase, v1, v2, min(run, 3)),
            c1 | (made & 0xFFFF) << 8,
        )
        hashes = [_hash(one, number) for number, one in enumerate(contexts, 31)]
        value = mixing.values.byte(mixing.coder, hashes, phase)
        mixing.last_values = (value, v1)
        return value

    def _finish(self, at: int) -> None:
        byte = self.piece[at]
        self.mixing._make(byte)
        if self.field:
            self.field = (self.field + 1) % 5
        elif byte in (0xE8, 0xE9) or byte & 0xC7 == 5 or (byte & 0xF0 == 0x80 and self.mixing.made >> 8 & 0xFF == 0x0F):
            self.field = 1
