from airpatch.encoders.kzstd_fse cimport FseCode
from airpatch.encoders.kzstd_huffman cimport HuffmanCode

cdef enum:
    MALFORMED = -1


cdef class FseTable:
    cdef FseCode code
    cdef unsigned char[::1] symbols
    cdef unsigned char[::1] widths
    cdef unsigned short[::1] bases
    cdef int[::1] _next
    cdef bint valid

    cdef int read(self, const unsigned char *data, int size, int most_log, int most_symbols) noexcept nogil
    cdef bint prepare(self) noexcept nogil
    cdef void set_single(self, int symbol) noexcept nogil
    cdef bint can_write(self, int symbol) noexcept nogil


cdef class HuffmanReader:
    cdef unsigned char[::1] _weights
    cdef FseTable _table
    cdef int[::1] _counts
    cdef int[::1] _words

    cdef bint read(self, HuffmanCode code, const unsigned char *data, int size) noexcept nogil
    cdef int _packed(self, FseTable table, const unsigned char *data, int size) noexcept nogil
    cdef bint _assign(self, HuffmanCode code, int count) noexcept nogil


cdef int peek(unsigned char *data, int size, int bit) noexcept nogil
