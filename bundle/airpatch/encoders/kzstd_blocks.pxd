from airpatch.encoders.kzstd_literals cimport LiteralWriter
from airpatch.encoders.kzstd_sequence_codes cimport SequenceWriter
from airpatch.encoders.kzstd_sequences cimport Sequences

cdef class ZstdBlockWriter:
    cdef LiteralWriter _literals
    cdef SequenceWriter _sequences
    cdef object _buffer
    cdef unsigned char[::1] _out
    cdef int _margin
    cdef bint _runs
    cdef bint _codes_literals
    cdef bint _keeps_full

    cdef int _put(self, Sequences found, const unsigned char *source, int size, bint full) noexcept nogil
    cdef int _put_block_header(self, int kind, int size) noexcept nogil
    cdef int _put_raw(self, const unsigned char *source, int size) noexcept nogil
    cdef int _put_run(self, unsigned char byte, int size) noexcept nogil
    cdef int _put_literals_alone(self, const unsigned char *source, int size) noexcept nogil
    cdef int _put_literals(self, Sequences found, int at) noexcept nogil
