cdef class Alignment:
    cdef long long[::1] _targets
    cdef long long[::1] _sources
    cdef long long[::1] _lengths
    cdef long long[::1] _order
    cdef Py_ssize_t _count
    cdef object _held
    cdef const unsigned char[::1] _records
    cdef Py_ssize_t _matches
    cdef Py_ssize_t _cover
    cdef Py_ssize_t _match
    cdef long long _lost
    cdef bint exact
    cdef long long[::1] _shifts

    cdef long long offset(self, long long position) noexcept nogil
    cdef void learn(self, long long position, long long offset) noexcept nogil
    cdef Py_ssize_t _find(self, long long source) noexcept nogil
    cdef long long _begin(self, Py_ssize_t match) noexcept nogil
