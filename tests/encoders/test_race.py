"""Encoders side by side: who wrote a stream, and when the others are dropped."""

from __future__ import annotations

from airpatch.encoders.race import race


class Shifting:
    """Writes each byte, shifted by `step`, and `end` at the end."""

    def __init__(self, step: int, end: bytes = b"") -> None:
        self.step = step
        self.end = end
        self.fed = 0

    def feed(self, data: bytes) -> bytes:
        self.fed += len(data)
        return bytes((byte + self.step) % 256 for byte in data)

    def finish(self) -> bytes:
        return self.end


def names(encoders: dict[str, Shifting], uncompressed: bytes, stream: bytes, *, complete: bool) -> list[str]:
    running = race(encoders.items(), uncompressed, memoryview(stream), 2, complete=complete)
    return [runner.name for runner in running]


def test_those_that_write_the_stream_are_left() -> None:
    encoders = {"one": Shifting(1), "two": Shifting(2), "uno": Shifting(1)}
    assert names(encoders, b"abcdef", b"bcdefg", complete=True) == ["one", "uno"]
    assert encoders["two"].fed == 2, "dropped after its first piece"


def test_the_stream_may_be_cut() -> None:
    assert names({"one": Shifting(1)}, b"abcdef", b"bcd", complete=False) == ["one"]


def test_a_complete_stream_is_neither_longer_nor_shorter() -> None:
    encoders = {"none": Shifting(0), "end": Shifting(0, b"!"), "wrong end": Shifting(0, b"?")}
    assert names(encoders, b"ab", b"ab!", complete=True) == ["end"]
    assert names({"none": Shifting(0)}, b"ab", b"ab!", complete=True) == []
    assert names({"end": Shifting(0, b"!")}, b"ab", b"ab", complete=True) == []


def test_one_that_is_left_alone_wins_after_enough_bytes() -> None:
    encoders = {"one": Shifting(1), "two": Shifting(2)}
    running = race(encoders.items(), b"abcdefgh", memoryview(b"bcdefgh?"), 2, complete=True, enough=4)
    assert [runner.name for runner in running] == ["one"]
    assert encoders["one"].fed == 4
    twins = {"one": Shifting(1), "uno": Shifting(1)}
    assert race(twins.items(), b"abcdefgh", memoryview(b"bcdefgh?"), 2, complete=False, enough=4) == []
    assert twins["uno"].fed == 8, "two go on until one is left"
