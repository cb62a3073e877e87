"""Sizes as people read them."""

from __future__ import annotations


def megabytes(size: int) -> str:
    """`size` in bytes, for people: three digits or so, in decimal units, as for disks and network lines."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def count(number: int, noun: str) -> str:
    """`3 images`, `1 image`, `2 patches`."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def are(number: int) -> str:
    """`is` of one, `are` of any other number."""
    return "is" if number == 1 else "are"
