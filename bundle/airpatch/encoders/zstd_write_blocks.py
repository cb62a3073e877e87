# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: `_can_write` and the literals' words are asked before anything is written; _ROOM has 8 bytes for each of
# a block's, which take 11 bits as literals and 12 bytes for 3 as sequences.
"""Compressed blocks written as their shape says (RFC 8878 3.1.1.3): the other half of `zstd_read_blocks`.

Shape and sequences are not trusted.
"""

from __future__ import annotations

from collections.abc import Callable

import cython

from airpatch.encoders.kzstd_sequences import MAX_BLOCK
from airpatch.encoders.zstd_read_blocks import code_slots
from airpatch.errors import FormatError
from airpatch.zeroed_memory import lazy_zeros

if cython.compiled:
    from cython.cimports.airpatch.encoders.kzstd_huffman import HuffmanCode
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.zstd_codes import FseTable, HuffmanReader
    from cython.cimports.airpatch.encoders.zstd_read_blocks import CodeSlot
    from cython.cimports.airpatch.encoders.zstd_sequence_bits import SequenceBits
else:
    from airpatch.encoders.kzstd_huffman import HuffmanCode
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.zstd_codes import FseTable, HuffmanReader
    from airpatch.encoders.zstd_read_blocks import CodeSlot
    from airpatch.encoders.zstd_sequence_bits import SequenceBits

_ROOM = 8 * MAX_BLOCK  # more than any shape can make of a block
_NEW = 2


@cython.cclass
class ShapedBlocks:
    """The compressed blocks of a frame. Types are in zstd_write_blocks.pxd."""

    def __init__(self) -> None:
        self.found = Sequences()
        self._slots = code_slots()
        self._bits = SequenceBits()
        self._huffman = HuffmanCode()
        self._huffman_reader = HuffmanReader()
        self._has_huffman = False
        self._buffer = lazy_zeros(_ROOM)
        self._out = self._buffer
        self._counts = memoryview(bytearray(4 * 256)).cast("I")

    def reset(self) -> None:
        """Begin another frame."""
        self._has_huffman = False
        for slot in self._slots:
            slot.reset()

    def block(self, read: Callable[[int], bytes]) -> bytes:
        """Return the content of the block that has the sequences and literals of `found`.

        `read` returns so many bytes of shapes, fewer only where these end.
        """
        found: Sequences = self.found
        at = self._literals(found, read)
        count: int = found.count
        out = self._buffer
        if count < 128:
            out[at] = count
            at += 1
        elif count < 0x7F00:
            out[at : at + 2] = bytes((128 + (count >> 8), count & 0xFF))
            at += 2
        else:
            out[at : at + 3] = b"\xff" + (count - 0x7F00).to_bytes(2, "little")
            at += 3
        if count:
            modes = _exactly(read, 1)
            out[at] = modes[0]
            at += 1
            for slot, shift in zip(self._slots, (6, 4, 2), strict=True):
                mode = modes[0] >> shift & 3
                data = _exactly(read, _exactly(read, 1)[0] if mode == _NEW else mode & 1 if mode < _NEW else 0)
                if slot.take(mode, data) != len(data):
                    raise FormatError("zstd: a code that is shorter than its description")
                out[at : at + len(data)] = data
                at += len(data)
            at = self._sequences(found, at)
        return bytes(memoryview(out)[:at])

    def _sequences(self, found: Sequences, begin: int) -> int:
        lengths: CodeSlot = self._slots[0]
        offsets: CodeSlot = self._slots[1]
        matches: CodeSlot = self._slots[2]
        out: cython.p_uchar = cython.address(self._out[0]) if cython.compiled else self._out
        at: cython.int = begin
        with cython.nogil:
            if self._can_write(found, lengths.table, offsets.table, matches.table):
                at = self._bits.put(found, lengths.table.code, offsets.table.code, matches.table.code, out, at)
            else:
                at = -1
        if at < 0:
            raise FormatError("zstd: sequences without a code for what they say")
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _can_write(self, found: Sequences, lengths: FseTable, offsets: FseTable, matches: FseTable) -> cython.bint:
        """Turn numbers into symbols; return whether the codes have all of them."""
        counts_l: cython.p_uint
        counts_o: cython.p_uint
        counts_m: cython.p_uint
        i: cython.int
        symbols_l: cython.int = lengths.code.symbols
        symbols_o: cython.int = offsets.code.symbols
        symbols_m: cython.int = matches.code.symbols
        self._bits.count(found, lengths.code, offsets.code, matches.code)
        lengths.code.symbols = symbols_l
        offsets.code.symbols = symbols_o
        matches.code.symbols = symbols_m
        counts_l = cython.address(lengths.code.counts[0]) if cython.compiled else lengths.code.counts
        counts_o = cython.address(offsets.code.counts[0]) if cython.compiled else offsets.code.counts
        counts_m = cython.address(matches.code.counts[0]) if cython.compiled else matches.code.counts
        for i in range(64):
            if counts_l[i] and not lengths.can_write(i):
                return False
            if counts_o[i] and not offsets.can_write(i):
                return False
            if counts_m[i] and not matches.can_write(i):
                return False
        return True

    def _literals(self, found: Sequences, read: Callable[[int], bytes]) -> int:
        """Write the literals section; return where it ends."""
        form = _exactly(read, 1)[0]
        kind, sizes = form & 3, form >> 2
        count: int = found.literal_count
        if form > 15 or (kind < 2 and sizes == 2):
            raise FormatError("zstd: an unknown form of literals")
        out = self._buffer
        if kind < 2:
            header, width = ((1, 5), (2, 12), (1, 5), (3, 20))[sizes]
            if count >> width or (kind == 1 and not count):
                raise FormatError("zstd: literals that do not fit into their header")
            word = form | count << (3 if header == 1 else 4)
            out[:header] = word.to_bytes(header, "little")
            if kind == 1:
                out[header] = found.literals[0]
                return header + 1
            out[header : header + count] = memoryview(found.literals)[:count]
            return header + count
        header, width = ((3, 10), (3, 10), (4, 14), (5, 18))[sizes]
        begin: cython.int = header
        end: cython.int
        if kind == 2:
            table = _exactly(read, _exactly(read, 1)[0])
            size: cython.int = len(table)
            view: cython.const[cython.uchar][::1] = table or b"\0"
            self._has_huffman = self._huffman_reader.read(
                self._huffman, cython.address(view[0]) if cython.compiled else view, size
            )
            out[header : header + size] = table
            begin += size
        if not self._has_huffman or count >> width:
            raise FormatError("zstd: literals without a code, or more than fit into their header")
        four: cython.bint = sizes != 0
        with cython.nogil:
            end = self._put(found, begin, four)
        if end < 0 or end - header >> width:
            raise FormatError("zstd: literals that their code does not have, or that it makes too long")
        out[:header] = (form | count << 4 | end - header << 4 + width).to_bytes(header, "little")
        return end

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put(self, found: Sequences, begin: cython.int, four: cython.bint) -> cython.int:
        """Write the streams of literals; return where they end, -1 if there is a literal without a word."""
        out: cython.p_uchar = cython.address(self._out[0]) if cython.compiled else self._out
        source: cython.p_uchar = cython.address(found.literals[0]) if cython.compiled else found.literals
        counts: cython.p_uint = cython.address(self._counts[0]) if cython.compiled else self._counts
        size: cython.int = found.literal_count
        i: cython.int
        for i in range(256):
            counts[i] = 0
        for i in range(size):
            counts[source[i]] += 1
        for i in range(256):
            if counts[i] and self._huffman.entries[i] == 0:
                return -1
        if four:
            if size < 6:
                return -1
            return self._huffman.put_four(out, begin, source, 0, size)
        return self._huffman.put(out, begin, source, 0, size)


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    """Return `size` bytes of shapes."""
    data: bytes = read(size) if size else b""
    if len(data) != size:
        raise FormatError("zstd: a shape that is cut short")
    return data
