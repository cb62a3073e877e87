from airpatch.encoders.kzstd_matcher cimport ZstdMatcher

cdef class BestTables(ZstdMatcher):
    cdef unsigned long long[::1] _short
    cdef unsigned long long[::1] _long
    cdef unsigned int[::1] _counts
    cdef unsigned char[::1] _offset_costs
    cdef unsigned char[::1] _match_costs
    cdef int _weight

    cdef void _enter(self, int at, int end) noexcept nogil
    cdef int _bits_per_byte(self, int begin) noexcept nogil
    cdef int _cost(self, unsigned int offset, unsigned int length) noexcept nogil

cdef enum:
    SHORT_BITS = 18
    LONG_BITS = 22
