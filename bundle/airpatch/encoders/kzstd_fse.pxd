cdef class FseCode:
    cdef unsigned int[::1] counts
    cdef int[::1] shares
    cdef unsigned short[::1] states
    cdef unsigned int[::1] delta_bits
    cdef int[::1] delta_state
    cdef unsigned char[::1] _symbols_by_state
    cdef int[::1] _starts
    cdef unsigned int[::1] _rounding
    cdef int symbols
    cdef int log
    cdef int single

    cdef bint normalize(self, unsigned int total, int log) noexcept nogil
    cdef bint _normalize_rest(self, unsigned int total) noexcept nogil
    cdef bint build(self) noexcept nogil
    cdef void copy(self, FseCode other) noexcept nogil
    cdef void set_single(self, int symbol) noexcept nogil
    cdef int put_shares(self, unsigned char *out, int at) noexcept nogil
    cdef unsigned int cost(self, const unsigned int *counts, int symbols) noexcept nogil
