"""The words of the Gear rolling hash (Wen Xia et al., "Ddelta", 2014): h = 2h + WORDS[byte] mod 2**64."""

from __future__ import annotations

from array import array

_MASK64 = (1 << 64) - 1


def _words() -> array[int]:
    """Return 256 fixed pseudo-random words: the splitmix64 sequence (Steele, Lea, Flood, 2014) from seed 0."""
    words = array("Q")
    state = 0
    for _ in range(256):
        state = (state + 0x9E3779B97F4A7C15) & _MASK64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
        words.append(z ^ (z >> 31))
    return words


WORDS = _words()
