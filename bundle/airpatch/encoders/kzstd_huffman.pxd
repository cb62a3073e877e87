from airpatch.encoders.kzstd_fse cimport FseCode

cdef class HuffmanCode:
    cdef unsigned int[::1] entries
    cdef int symbols
    cdef int log

    cdef void copy(self, HuffmanCode other) noexcept nogil
    cdef bint covers(self, const unsigned int *counts, int symbols) noexcept nogil
    cdef long long size(self, const unsigned int *counts, int symbols) noexcept nogil
    cdef int put(self, unsigned char *out, int at, const unsigned char *source, int begin, int end) noexcept nogil
    cdef int put_four(self, unsigned char *out, int at, const unsigned char *source, int begin, int end) noexcept nogil


cdef class HuffmanMaker:
    cdef unsigned int[::1] _counts
    cdef int[::1] _parents
    cdef unsigned char[::1] _symbols
    cdef int[::1] _bits
    cdef int[::1] _last
    cdef unsigned char[::1] _weights
    cdef FseCode _fse

    cdef void make(self, HuffmanCode code, const unsigned int *counts, int symbols, int total) noexcept nogil
    cdef void _sort(self, const unsigned int *counts, int symbols) noexcept nogil
    cdef int _limit(self, int last, int most) noexcept nogil
    cdef void _assign(self, HuffmanCode code, int last) noexcept nogil
    cdef int put_table(self, HuffmanCode code, unsigned char *out, int at) noexcept nogil
    cdef int _put_weights(self, FseCode code, unsigned char *out, int at, int count) noexcept nogil
