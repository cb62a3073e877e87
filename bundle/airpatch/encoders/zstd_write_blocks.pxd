from airpatch.encoders.kzstd_huffman cimport HuffmanCode
from airpatch.encoders.kzstd_sequences cimport Sequences
from airpatch.encoders.zstd_codes cimport FseTable, HuffmanReader
from airpatch.encoders.zstd_sequence_bits cimport SequenceBits

cdef class ShapedBlocks:
    cdef readonly Sequences found
    cdef tuple _slots
    cdef SequenceBits _bits
    cdef HuffmanCode _huffman
    cdef HuffmanReader _huffman_reader
    cdef bint _has_huffman
    cdef object _buffer
    cdef unsigned char[::1] _out
    cdef unsigned int[::1] _counts

    cdef bint _can_write(self, Sequences found, FseTable lengths, FseTable offsets, FseTable matches) noexcept nogil
    cdef int _put(self, Sequences found, int begin, bint four) noexcept nogil
