"""Why a file is refused."""


class Refusal(Exception):
    """A file is refused; the name of the class is what a conformance suite compares."""


class FormatError(Refusal):
    """Malformed, not canonical, over a limit, or of an unknown version."""


class IntegrityError(Refusal):
    """Content does not have the digest or the size that is promised."""


class BaseMismatch(Refusal):
    """A blob that the target must have is not there."""


class TrustError(Refusal):
    """Not signed by anyone who is trusted."""


class Unsupported(Exception):
    """The file may be right, but needs a feature that this reader declares to lack."""


def require(condition: object, what: str) -> None:
    """Refuse the file as malformed unless the condition holds.

    Raises:
        FormatError: it does not hold.
    """
    if not condition:
        raise FormatError(what)
