from airpatch.encoders.kzstd_fse cimport FseCode
from airpatch.encoders.kzstd_sequences cimport Sequences
from airpatch.encoders.zstd_sequence_bits cimport SequenceBits

cdef class SequenceWriter:
    cdef FseCode _lengths
    cdef FseCode _lengths_before
    cdef FseCode _lengths_default
    cdef FseCode _offsets
    cdef FseCode _offsets_before
    cdef FseCode _offsets_default
    cdef FseCode _matches
    cdef FseCode _matches_before
    cdef FseCode _matches_default
    cdef SequenceBits _bits
    cdef int _modes

    cdef void forget(self) noexcept nogil
    cdef void keep(self) noexcept nogil
    cdef int put(self, Sequences found, unsigned char *out, int at) noexcept nogil
    cdef int _put_code(self, FseCode code, int mode, unsigned char *out, int at) noexcept nogil
    cdef int _choose(self, FseCode code, FseCode before, FseCode default, int total) noexcept nogil
    cdef void _keep(self, FseCode code, FseCode before, int mode) noexcept nogil
