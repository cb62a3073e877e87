# Of mixing.py, for the compiled module that codes with its models.

cpdef unsigned long long context(unsigned long long content, unsigned long long kind) noexcept nogil


cdef class Coder:
    cdef bint _reading
    cdef const unsigned char[::1] _data
    cdef Py_ssize_t _size
    cdef Py_ssize_t _at
    cdef unsigned long long _low
    cdef unsigned long long _high
    cdef unsigned long long _code
    cdef unsigned char[::1] _out  # what is written, in a buffer with room for more
    cdef Py_ssize_t _end

    cpdef void make_room(self, Py_ssize_t bits)
    cdef unsigned long long _next(self) noexcept nogil
    cdef int bit(self, int bit, unsigned long long likely) noexcept nogil


cdef class Model:
    cdef unsigned long long[::1] contexts  # of what is coded next
    cdef Py_ssize_t _inputs
    cdef int _slot_bits
    cdef int _rate
    cdef unsigned int[::1] _counters  # differences to _UNKNOWN of 22 bits of probability, 10 of how many bits were seen
    cdef bint _is_packed  # lines of 16 of them lie in the order of their first use, while few are used
    cdef Py_ssize_t _used  # packed lines
    cdef Py_ssize_t _room  # as many are few
    cdef unsigned int[::1] _packed  # by the number of a line: its place in this order, from 1 on; 0 if it is not used
    cdef unsigned int[::1] _unpacked  # counters in the order of the lines' numbers, when more are used
    cdef int[::1] _weights
    cdef int[::1] _refined
    cdef long long[::1] _starts  # of the counters of half a byte
    cdef long long[::1] _places  # of the counters of a bit
    cdef int[::1] _signals
    cdef int[::1] _squash
    cdef int[::1] _stretch
    cdef int[::1] _adaptation

    cdef int flag(self, Coder coder, int bit, Py_ssize_t selector, Py_ssize_t refinement) noexcept nogil
    cdef Py_ssize_t _line(self, Py_ssize_t i, Py_ssize_t number) noexcept nogil
    cdef void _unpack(self) noexcept nogil
    cdef int byte(self, Coder coder, int value, int expected, Py_ssize_t trust, Py_ssize_t refinement) noexcept nogil
    cdef int _bit(self, Coder coder, int bit, Py_ssize_t selector, Py_ssize_t refinement) noexcept nogil
