from airpatch.delta.references cimport References

cdef class DebugInfo:
    cdef readonly unsigned long long address
    cdef const unsigned char[::1] _info
    cdef unsigned long long[::1] _bases
    cdef unsigned char[::1] _actions
    cdef unsigned int[::1] _firsts
    cdef unsigned int[::1] _units
    cdef unsigned int[::1] _resume
    cdef Py_ssize_t _at

    cdef void _mark(self)
    cdef void run(
        self, References references, const unsigned char *source, unsigned char *piece, Py_ssize_t size, int task,
        unsigned long long origin,
    ) noexcept nogil
    cdef void _entry(
        self, References references, const unsigned char *source, unsigned char *piece, Py_ssize_t begin,
        Py_ssize_t end, int task, Py_ssize_t unit,
    ) noexcept nogil
    cdef void _field(
        self, References references, const unsigned char *source, unsigned char *piece, Py_ssize_t at, int task,
        int action, Py_ssize_t unit, unsigned long long low,
    ) noexcept nogil
    cdef unsigned long long _block_size(self, int action, Py_ssize_t stop) noexcept nogil
    cdef unsigned long long _number(self, Py_ssize_t stop) noexcept nogil
    cdef Py_ssize_t _unit(self, Py_ssize_t at) noexcept nogil
