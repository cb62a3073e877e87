"""Views of nested content (VIEWS.md): streams replaced by what they hold, and folded again."""

from dataclasses import dataclass

from . import encoders
from .delta import Cursor
from .errors import FormatError, require
from .framings import END, LEVELS, REST, SKIP, Base, Fold, Level

MAX_DEPTH, MAX_CODINGS, MAX_RECORDS, MAX_DESCRIPTION = 12, 250, 2097152, 25165824


@dataclass(frozen=True)
class Description:
    """A view's codings (framing, encoder) and its records (length in bytes, action)."""

    codings: list[tuple[str, str]]
    records: list[tuple[int, int]]


def parse(data: bytes, reversible: bool) -> Description:
    """Parse the description of a view of the target, which is reversible, or of the sources.

    Raises:
        FormatError: it breaks a rule.
    """
    cursor = Cursor(data)
    codings = []
    for _ in range(cursor.number(MAX_CODINGS)):
        name = cursor.take(cursor.number(64))
        require(name.isascii() and name.count(b" ") == 1, "a coding without a name")
        framing, encoder = name.decode().split(" ")
        require(framing in LEVELS, "a framing that nobody knows")
        wanted = reversible and LEVELS[framing].has_encoder
        require(bool(encoder) == wanted, "an encoder where none belongs, or none where one does")
        require(not wanted or encoders.is_packer(framing, encoder), f"an encoder that nobody knows: {encoder!r}")
        codings.append((framing, encoder))
    require(len(set(codings)) == len(codings), "a coding twice")
    actions = cursor.take(cursor.number(MAX_RECORDS))
    lengths = [0] * len(actions)
    for action in sorted(set(actions) - {REST}):
        for number in [number for number, one in enumerate(actions) if one == action]:
            lengths[number] = cursor.number()
    require(not cursor.left, "bytes behind a description")
    _check(codings, actions, reversible)
    return Description(codings, list(zip(lengths, actions, strict=True)))


def _check(codings: list[tuple[str, str]], actions: bytes, reversible: bool) -> None:
    levels: list[str] = []
    used = 0
    for number, action in enumerate(actions):
        if action == END and not levels:
            require(number == len(actions) - 1, "records behind the end of a view")
            require(used == len(codings), "a coding that is not used")
            return
        require(not reversible or action not in (REST, SKIP), "a view that leaves something out")
        if action == REST:
            require(levels and levels[-1] not in ("zip-archive", "zip-directory"), "the rest of a level that has none")
        if action in (END, REST):
            levels.pop()
        elif action != SKIP:
            require(action - 3 <= min(used, len(codings) - 1), "codings out of the order of their use")
            used = max(used, action - 2)
            levels.append(codings[action - 3][0])
            require(len(levels) <= MAX_DEPTH, "levels nested too deep")
            require(levels.count("brotli") <= 1, "a brotli stream in another one")
    raise FormatError("a view without an end")


def expand(description: Description, packed: bytes, limit: int) -> bytes:
    """The view of packed bytes, which has `limit` bytes at most.

    Raises:
        FormatError: the description does not fit the bytes, or the view is larger.
    """
    levels: list[Level] = [Base(packed)]
    out = bytearray()
    for length, action in description.records:
        if action == SKIP:
            levels[-1].skip(length)
            continue
        require(length <= limit - len(out), "a view that is larger than it says")
        out += levels[-1].take(length)
        if action == REST:
            while part := levels[-1].some(65536):
                out += part
                require(len(out) <= limit, "a view that is larger than it says")
        if action in (END, REST):
            levels.pop().end()
        else:
            levels.append(LEVELS[description.codings[action - 3][0]](levels[-1]))
    return bytes(out)


def fold(description: Description, view: bytes) -> bytes:
    """The packed bytes of a reversible view.

    Raises:
        FormatError: the description does not fit the view.
        Unsupported: this reader does not have one of its encoders.
    """
    cursor = Cursor(view)
    levels = [Fold("", "", None)]
    for length, action in description.records:
        levels[-1].content += cursor.take(length)
        if action != END:
            levels.append(Fold(*description.codings[action - 3], levels[-1]))
        elif len(levels) > 1:
            levels.pop().close()
    require(not cursor.left, "a view that is not used up")
    return bytes(levels[0].content)
