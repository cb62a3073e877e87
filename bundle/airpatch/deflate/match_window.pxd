cdef class MatchWindow:
    cdef bytearray _buffer
    cdef unsigned short[::1] _newest
    cdef unsigned short[::1] _links
    cdef Py_ssize_t _start
    cdef Py_ssize_t _at
    cdef Py_ssize_t _end
    cdef Py_ssize_t _indexed

    cdef _append(self, bytes data)
    cdef _slide(self)
    cdef void _index(self, unsigned char *view, Py_ssize_t at) noexcept nogil
    cdef int _rank(self, unsigned char *view, Py_ssize_t at, Py_ssize_t length, Py_ssize_t distance) noexcept nogil
    cdef Py_ssize_t _distance(self, unsigned char *view, Py_ssize_t at, Py_ssize_t length, int rank) noexcept nogil
