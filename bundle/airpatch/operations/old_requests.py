"""A request that an earlier run left behind: once nothing is lacking, nobody is to send it any more."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from airpatch.archive.inventory_files import is_inventory, read_inventory
from airpatch.errors import AirpatchError
from airpatch.format import magics
from airpatch.linux import begins_with, real_path
from airpatch.operations.arguments import StrPath


def remove_old_request(request: StrPath) -> list[str]:
    """Remove the file `request` if it is a request of either kind, and return what to tell the user.

    Whatever else lies there, an inventory for example, is left as it is.
    """
    path = Path(request)
    if not _is_request(path):
        return []
    try:
        real_path(path).unlink()
    except OSError as error:
        return [f"{request}: is an older request, which could not be removed: {error.strerror}; do not send it"]
    return [f"{request}: an older request, which no longer holds, was removed"]


def _is_request(path: Path) -> bool:
    with suppress(OSError, AirpatchError):
        if is_inventory(path):
            from airpatch.format.inventories import Request  # here, since few files are one

            return isinstance(read_inventory(path), Request)
    return begins_with(path, magics.DAMAGE_REQUEST)
