cdef class References:
    cdef unsigned long long[::1] _low
    cdef unsigned long long[::1] _high
    cdef unsigned long long[::1] _from
    cdef unsigned long long[::1] _to
    cdef Py_ssize_t _spans
    cdef unsigned long long _begin  # of the first span
    cdef unsigned long long _end  # of the last one
    cdef Py_ssize_t _points
    cdef unsigned int[::1] _stretches  # for each 1 << _stretch_bits addresses from the first point on, the last point before
    cdef int _stretch_bits
    cdef unsigned long long[::1] _keys
    cdef unsigned long long[::1] _went
    cdef unsigned char[::1] _learned  # a bit for each slot that this group has filled: few are, and the bits lie near
    cdef unsigned long long _salt

    cdef void _index_points(self)
    cdef bint valid(self, unsigned long long address) noexcept nogil
    cdef unsigned long long map(self, unsigned long long address) noexcept nogil
    cdef void learn(self, unsigned long long address, unsigned long long went) noexcept nogil
    cdef void field64(self, const unsigned char *source, unsigned char *piece, Py_ssize_t at, int task) noexcept nogil
    cdef bint field32(
        self,
        const unsigned char *source,
        unsigned char *piece,
        Py_ssize_t at,
        int task,
        unsigned long long there,
        unsigned long long here,
    ) noexcept nogil
