from airpatch.encoders.kzstd_fse cimport FseCode
from airpatch.encoders.kzstd_literals cimport LiteralWriter
from airpatch.encoders.kzstd_sequences cimport Sequences
from airpatch.encoders.zstd_sequence_bits cimport SequenceBits

cdef class BlockWriter:
    cdef LiteralWriter _literals
    cdef FseCode _lengths
    cdef FseCode _lengths_before
    cdef FseCode _lengths_default
    cdef FseCode _offsets
    cdef FseCode _offsets_before
    cdef FseCode _offsets_default
    cdef FseCode _matches
    cdef FseCode _matches_before
    cdef FseCode _matches_default
    cdef object _buffer
    cdef unsigned char[::1] _out
    cdef SequenceBits _bits
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
    cdef int _put_sequences(self, Sequences found, int at) noexcept nogil
    cdef int _put_code(self, FseCode code, int mode, int at) noexcept nogil
    cdef int _choose(self, FseCode code, FseCode before, FseCode default, int total) noexcept nogil
    cdef void _keep(self, FseCode code, FseCode before, int mode) noexcept nogil
    cdef int _modes
