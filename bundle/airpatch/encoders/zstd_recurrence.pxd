cdef class Recurrence:
    cdef unsigned int[::1] _places
    cdef long long _begin

    cdef long long offset(self, long long position, unsigned long long word) noexcept nogil

cdef enum:
    RECURRING = 6
