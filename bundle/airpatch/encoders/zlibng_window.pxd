cdef class ZlibNgWindow:
    cdef unsigned char[::1] _window
    cdef unsigned short[::1] _newest
    cdef unsigned short[::1] _older
    cdef memoryview _uncompressed
    cdef bint _rolling
    cdef bint _stops_at_end
    cdef bint _hurried
    cdef int _good
    cdef int _nice
    cdef int _chain
    cdef int _end
    cdef int _found
    cdef unsigned int _rolled
    cdef readonly long long steps

    cdef void drop_half(self)
    cdef int enter(self, int index) noexcept nogil
    cdef void enter_range(self, int begin, int end) noexcept nogil
    cdef int longest(self, int index, int candidate, int ahead, int before) noexcept nogil
    cdef int longest_of_all(self, int index, int candidate, int ahead, int before) noexcept nogil
