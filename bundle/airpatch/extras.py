"""Libraries that only some commands need, each declared as an extra in pyproject.toml."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from airpatch.errors import UsageError


def require_extra(extra: str, module: str) -> ModuleType:
    """Return `module`, which the extra `extra` brings. Raises UsageError with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise UsageError(f"this needs {module}, which is not installed: pip install 'airpatch[{extra}]'") from None
