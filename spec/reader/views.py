"""Views of nested content (VIEWS.md): streams replaced by what they hold, and folded again."""

from dataclasses import dataclass, field

from .cursor import Cursor
from .errors import Unsupported, require
from .framings import FRAMINGS, NOT_ENCODED, PASSING, ZIP, directory, expand_level, fold_level, zip_fields

MAX_DEPTH, MAX_CODINGS, MAX_RECORDS, MAX_DESCRIPTION = 12, 250, 2097152, 25165824
END, REST, SKIP, BEGIN = range(4)


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
        require(framing in FRAMINGS or framing == "brotli", "a framing that nobody knows")
        wanted = reversible and framing not in NOT_ENCODED
        require(bool(encoder) == wanted, "an encoder where none belongs, or none where one does")
        if framing == "brotli":
            raise Unsupported("view brotli")
    _check(codings, actions, reversible)
    return Description(codings, list(zip(lengths, actions, strict=True)))


def _check(codings: list[tuple[str, str]], actions: bytes, reversible: bool) -> None:
    levels, used = ["base"], 0
    for action in actions:
        require(levels, "records behind the end of a view")
        require(not reversible or action not in (REST, SKIP), "a view that leaves something out")
        require(action != REST or levels[-1] not in ("base", *PASSING), "a rest of what has none")
        if action in (END, REST):
            levels.pop()
        elif action != SKIP:
            require(action - BEGIN <= min(used, len(codings) - 1), "codings out of the order of their use")
            used = max(used, action - BEGIN + 1)
            levels.append(codings[action - BEGIN][0])
            require(len(levels) <= MAX_DEPTH + 1, "levels nested too deep")
            require(levels.count("zstd") <= 1, "a zstd frame in another one")
    require(not levels, "a view without an end")
    require(used == len(codings), "a coding that is not used")


@dataclass
class _Level:
    """Bytes that are read one after another, from `begin` on: its own, or those of the level around."""

    framing: str
    cursor: Cursor
    begin: int = 0
    entries: dict[int, bytes] = field(default_factory=dict)  # fields of the zip entries within, by where they began
    expected: int = 0  # offset of the next entry of a directory


def expand(description: Description, packed: bytes) -> bytes:
    """The view of packed bytes."""
    levels, out = [_Level("base", Cursor(packed))], bytearray()
    for length, action in description.records:
        level = levels[-1]
        cursor = level.cursor
        part = cursor.take(cursor.left if action == REST else length)
        if level.framing == "zip-directory":
            part, level.expected = directory(part, levels[-2].entries, level.expected, False)
        out += part if action != SKIP else b""
        if action in (END, REST):
            levels.pop()
            require(level.framing in ("base", *PASSING) or not cursor.left, "a level that ends before its stream")
        elif action != SKIP:
            framing, begin = description.codings[action - BEGIN][0], cursor.at
            if framing in PASSING:
                levels.append(_Level(framing, cursor, begin))
                continue
            levels.append(_Level(framing, Cursor(expand_level(framing, cursor))))
            if framing in ZIP:
                level.entries[begin - level.begin] = zip_fields(framing, cursor.data[begin : cursor.at])
    return bytes(out)


def fold(description: Description, view: bytes) -> bytes:
    """The packed bytes of a reversible view."""
    cursor, packed = Cursor(view), b""
    levels = [(("base", ""), bytearray(), dict[int, bytes]())]  # with the fields of zip entries in each
    for length, action in description.records:
        (framing, encoder), content, _ = levels[-1]
        content += cursor.take(length)
        if action != END:
            levels.append((description.codings[action - BEGIN], bytearray(), {}))
            continue
        levels.pop()
        packed = bytes(content)
        if levels:
            _, around, entries = levels[-1]
            packed = fold_level(framing, encoder, packed, entries)
            if framing in ZIP:
                entries[len(around)] = zip_fields(framing, packed)
            around += packed
    require(not cursor.left, "a view that is not used up")
    return packed
