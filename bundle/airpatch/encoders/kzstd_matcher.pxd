from airpatch.encoders.kzstd_sequences cimport Sequences

cdef class ZstdMatcher:
    cdef object _buffer
    cdef unsigned char[::1] _window
    cdef Sequences _found
    cdef list _tables
    cdef int _reach
    cdef int _filled
    cdef int _end
    cdef int _base
    cdef bint _alone

    cdef void _search(self, Sequences found, int begin) noexcept nogil
    cdef void _take_rest(self, Sequences found, int begin) noexcept nogil
    cdef void _take_literals(self, Sequences found, int begin, int end) noexcept nogil
    cdef bint _take_run(self, Sequences found, int begin) noexcept nogil
