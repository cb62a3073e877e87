"""Views of nested content (VIEWS.md): streams replaced by what they hold, and folded again."""

from dataclasses import dataclass

from . import encoders
from .cursor import Cursor
from .errors import Unsupported, require
from .framings import END, NOT_ENCODED, REST, SKIP, Level, begin, fold_level

MAX_DEPTH, MAX_CODINGS, MAX_RECORDS, MAX_DESCRIPTION = 12, 250, 2097152, 25165824


@dataclass(frozen=True)
class Description:
    """A view's codings (framing, encoder) and its records (length in bytes, action)."""

    codings: list[tuple[str, str]]
    records: list[tuple[int, int]]


def parse(data: bytes, reversible: bool) -> Description:
    """Parse the description of a view of the target, which is reversible, or of the sources."""
    cursor = Cursor(data)
    names = [cursor.take(cursor.number(64)) for _ in range(cursor.number(MAX_CODINGS))]
    require(all(name.isascii() and name.count(b" ") == 1 for name in names), "a coding without a name")
    require(len(set(names)) == len(names), "a coding twice")
    codings = [(framing, encoder) for framing, encoder in (name.decode().split(" ") for name in names)]
    actions = cursor.take(cursor.number(MAX_RECORDS))
    lengths = [0] * len(actions)
    for number in sorted(range(len(actions)), key=actions.__getitem__):
        if actions[number] != REST:
            lengths[number] = cursor.number()
    require(not cursor.left, "bytes behind a description")
    for framing, encoder in codings:
        require(framing in encoders.FRAMINGS or framing == "brotli", "a framing that nobody knows")
        wanted = reversible and framing not in NOT_ENCODED
        require(bool(encoder) == wanted, "an encoder where none belongs, or none where one does")
        if framing == "brotli":
            raise Unsupported("view brotli")
    _check(codings, actions, reversible)
    return Description(codings, list(zip(lengths, actions, strict=True)))


def _check(codings: list[tuple[str, str]], actions: bytes, reversible: bool) -> None:
    levels = ["base"]
    used = 0
    for action in actions:
        require(levels, "records behind the end of a view")
        require(not reversible or action not in (REST, SKIP), "a view that leaves something out")
        require(action != REST or levels[-1] not in ("base", "zip-archive", "zip-directory"), "a rest of what has none")
        if action in (END, REST):
            levels.pop()
        elif action != SKIP:
            require(action - 3 <= min(used, len(codings) - 1), "codings out of the order of their use")
            used = max(used, action - 2)
            levels.append(codings[action - 3][0])
            require(len(levels) <= MAX_DEPTH + 1, "levels nested too deep")
            require(levels.count("zstd") <= 1, "a zstd frame in another one")
    require(not levels, "a view without an end")
    require(used == len(codings), "a coding that is not used")


def expand(description: Description, packed: bytes) -> bytes:
    """The view of packed bytes."""
    levels = [Level("base", Cursor(packed))]
    out = bytearray()
    for length, action in description.records:
        level = levels[-1]
        part = level.take(level.left if action == REST else length)
        out += part if action != SKIP else b""
        if action in (END, REST):
            levels.pop()
            require(level.may_end, "a level that ends before what it is packed in")
        elif action != SKIP:
            levels.append(begin(description.codings[action - 3][0], level))
    return bytes(out)


def fold(description: Description, view: bytes) -> bytes:
    """The packed bytes of a reversible view."""
    cursor = Cursor(view)
    levels = [bytearray()]
    entries: list[dict[int, bytes]] = [{}]  # of zip archives in each level
    begun: list[tuple[str, str]] = []
    for length, action in description.records:
        levels[-1] += cursor.take(length)
        if action != END:
            begun.append(description.codings[action - 3])
            levels.append(bytearray())
            entries.append({})
        elif begun:
            entries.pop()
            framing, encoder = begun.pop()
            content = bytes(levels.pop())
            levels[-1] += fold_level(framing, encoder, content, len(levels[-1]), entries[-1])
    require(not cursor.left, "a view that is not used up")
    return bytes(levels[0])
