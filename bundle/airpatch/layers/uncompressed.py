"""Uncompressed layers in scratch files or memory, each unpacked at its first use and dropped after its last.

What is read once from its beginning to its end need not be kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from airpatch.blobs.content import Content
from airpatch.blobs.scratch import MemoryScratch, Scratch, ScratchFile, ScratchStore
from airpatch.errors import FormatError
from airpatch.execution import NewFile
from airpatch.layers.compression import opened
from airpatch.layers.ways import LayerBlob
from airpatch.model.digest import Digest

_ALWAYS = 1 << 62
"""Users of a layer that is kept until all are released."""


@dataclass(slots=True)
class _Slot:
    users: int
    file: Scratch | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class UncompressedLayers:
    """The layers of `content`, uncompressed. `users` says how often each will be taken and given back.

    What has a known size lies in `memory` as far as that has room; `keep` may put what is unpacked elsewhere. For use
    by many threads.
    """

    def __init__(
        self,
        content: Content,
        new_file: NewFile,
        users: Mapping[Digest, int],
        memory: MemoryScratch | None = None,
        keep: Callable[[ScratchFile], Scratch] = lambda file: file,
    ) -> None:
        self._content = content
        self._new_file = new_file
        self._memory = memory or MemoryScratch(0)
        self._keep = keep
        self._slots = {digest: _Slot(count) for digest, count in users.items()}

    def take(
        self, digest: Digest, size: int, uncompressed_size: int, advance: Callable[[int], None] = lambda _size: None
    ) -> Scratch:
        """Return the `uncompressed_size` bytes in the blob of `size` bytes. `advance` receives the bytes unpacked for
        it.

        Raises FormatError if it has another size.
        """
        slot = self._slots[digest]
        with slot.lock:
            if slot.file is None:
                slot.file = self._unpack(digest, size, uncompressed_size, advance)
            return slot.file

    def of(self, layer: LayerBlob) -> Scratch:
        """Return what `take` does, for a layer whose sizes are known."""
        return self.take(layer.blob.digest, *layer.sizes)

    def stream(
        self, digest: Digest, size: int, uncompressed_size: int, advance: Callable[[int], None] = lambda _size: None
    ) -> Iterator[bytes]:
        """Yield what `take` would return, piece by piece. It is kept only if somebody else is to take it.

        Raises as `take`.
        """
        slot = self._slots[digest]
        with slot.lock:
            is_kept = slot.file is not None or slot.users > 1
        if is_kept:
            yield from self.take(digest, size, uncompressed_size, advance).pieces()
        else:
            yield from self._unpacked(digest, size, uncompressed_size, advance)

    def give_back(self, digest: Digest) -> None:
        """Note that one of the users is done."""
        slot = self._slots[digest]
        with slot.lock:
            slot.users -= 1
            if not slot.users and slot.file is not None:
                slot.file.close()
                slot.file = None

    def wanted(self, digest: Digest) -> bool:
        """Return whether the layer `digest`, which is being made, is to be `put` here."""
        slot = self._slots.get(digest)
        return slot is not None and slot.file is None

    def put(self, digest: Digest, file: Scratch) -> None:
        """Add a layer that is unpacked already."""
        self._slots[digest].file = file

    def new(self, digest: Digest, size: int = 0) -> ScratchFile:
        """Return an empty scratch file for what belongs to the layer `digest`, of at most `size` bytes if that is
        known.
        """
        return self._memory.new(size, str(digest)) or ScratchFile(self._new_file, str(digest))

    def close(self) -> None:
        """Release all layers."""
        for slot in self._slots.values():
            if slot.file is not None:
                slot.file.close()
                slot.file = None

    def _unpack(self, digest: Digest, size: int, uncompressed_size: int, advance: Callable[[int], None]) -> Scratch:
        file = self.new(digest, uncompressed_size)
        try:
            for piece in self._unpacked(digest, size, uncompressed_size, advance):
                file.append(piece)
        except BaseException:
            file.close()
            raise
        return self._keep(file)

    def _unpacked(
        self, digest: Digest, size: int, uncompressed_size: int, advance: Callable[[int], None]
    ) -> Iterator[bytes]:
        total = 0
        with closing(self._content.open(digest, size)) as reader:
            for piece in opened(reader, size, uncompressed_size)[1]:
                yield piece
                total += len(piece)
                advance(len(piece))
        if total != uncompressed_size:
            raise FormatError(f"{digest}: has {total} uncompressed bytes, not {uncompressed_size}")


def kept_layers(
    content: Content, new_file: NewFile, layers: Iterable[Digest], store: ScratchStore
) -> UncompressedLayers:
    """Return `layers` of `content`, which stay unpacked, once they are, until the `store` is closed."""
    return UncompressedLayers(content, new_file, dict.fromkeys(layers, _ALWAYS), keep=store.keep)
