cdef class Precedent:
    cdef const unsigned char[::1] _content
    cdef unsigned long long[::1] _table
    cdef int _bits
    cdef object _pieces
    cdef object _piece
    cdef unsigned int[::1] _tokens
    cdef Py_ssize_t _at
    cdef long long _position
    cdef bint _after_match
    cdef list _stretches
    cdef bint _growing
    cdef long long _start
    cdef long long _shift
    cdef long long _known
    cdef long long _useful
    cdef long long _approved
    cdef long long _shift_approved
    cdef bint edges
    cdef readonly long long end
    cdef readonly long long next

    cpdef long long followed(self)
    cpdef void take(self, const unsigned char[::1] data)
    cdef Py_ssize_t follow(self, long long position, unsigned int *tokens, Py_ssize_t count, Py_ssize_t room, long long limit)
    cdef bint _approve(self, long long position)
    cdef bint _is_hidden(self, long long position, long long shift, unsigned int token) noexcept
    cdef void _index(self, object release_pages)
    cdef bint _begin(self, const unsigned char[::1] data, Py_ssize_t at)
    cdef Py_ssize_t _same(self, Py_ssize_t there, const unsigned char[::1] data, Py_ssize_t at, Py_ssize_t limit) noexcept
    cdef void _end_stretch(self)
    cdef bint _go_to(self, long long position)
    cdef bint _more(self, long long end)
