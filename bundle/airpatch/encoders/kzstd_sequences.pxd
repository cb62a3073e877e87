cdef class Sequences:
    cdef unsigned int[::1] literal_lengths
    cdef unsigned int[::1] match_lengths
    cdef unsigned int[::1] offsets
    cdef unsigned char[::1] literals
    cdef int count
    cdef int literal_count

    cdef void add(self, unsigned int literal_length, unsigned int match_length, unsigned int offset) noexcept nogil
