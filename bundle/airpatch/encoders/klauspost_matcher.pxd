cdef class BlockMatcher:
    cdef unsigned char[::1] _window
    cdef unsigned int[::1] _tokens
    cdef object _token_array
    cdef list _tables
    cdef int _base
    cdef int _end
    cdef int _piece

    cdef int _search(self, int begin) noexcept nogil
