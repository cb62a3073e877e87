"""What the tests of sources share."""

from __future__ import annotations

import io
import tarfile


def tar(*members: tuple[str, bytes | str], format_: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of files, and of symbolic links where the content is text."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return file.getvalue()
