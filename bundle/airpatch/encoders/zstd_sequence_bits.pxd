from airpatch.encoders.kzstd_fse cimport FseCode
from airpatch.encoders.kzstd_sequences cimport Sequences

cdef class SequenceBits:
    cdef unsigned char[::1] length_symbols
    cdef unsigned char[::1] match_symbols
    cdef unsigned char[::1] _length_of
    cdef unsigned char[::1] _match_of
    cdef unsigned char[::1] _length_bits
    cdef unsigned char[::1] _match_bits

    cdef void count(self, Sequences found, FseCode length_code, FseCode offset_code, FseCode match_code) noexcept nogil
    cdef int put(
        self, Sequences found, FseCode length_code, FseCode offset_code, FseCode match_code, unsigned char *out, int at
    ) noexcept nogil


cdef unsigned int first_state(
    unsigned int *delta_bits, int *delta_state, unsigned short *states, int symbol, int log
) noexcept nogil
