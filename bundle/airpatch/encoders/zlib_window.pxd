cdef class ZlibWindow:
    cdef unsigned char[::1] _window
    cdef unsigned short[::1] _newest
    cdef unsigned short[::1] _older
    cdef memoryview _uncompressed
    cdef int _hash_shift
    cdef unsigned int _hash_mask
    cdef int _end
    cdef long long _dropped
    cdef bint _gzip
    cdef int _good
    cdef int _nice
    cdef int _chain
    cdef bint _empty
    cdef readonly long long steps

    cdef void drop_half(self, bint all_leave)
    cdef unsigned int longest(self, Py_ssize_t index, Py_ssize_t candidate, Py_ssize_t length) noexcept nogil
