cdef class ClassConstants:
    cdef const unsigned char[::1] _data
    cdef unsigned char[::1] _out
    cdef Py_ssize_t _at
    cdef Py_ssize_t _end
    cdef bint _forward
    cdef int _count
    cdef unsigned char[::1] _tags
    cdef unsigned int[::1] _starts
    cdef unsigned long long[::1] _hashes
    cdef unsigned short[::1] _labels
    cdef unsigned short[::1] _numbers
    cdef unsigned char[::1] _byte_labels
    cdef unsigned char[::1] _byte_numbers
    cdef int _least

    cdef int skip(self, long long size) except? -1
    cdef Py_ssize_t begin_part(self, long long size) except? -1
    cdef int end_part(self, Py_ssize_t outer) except? -1
    cdef int u1(self) except? -1
    cdef int u2(self) except? -1
    cdef long long u4(self) except? -1
    cdef void put(self, unsigned int number) noexcept
    cdef int number(self) except? -1
    cdef int constants(self) except? -1
    cdef int label_all(self) except? -1
    cdef unsigned long long hash_of(self, int number) except? 0
    cdef void give_label(self, int number) noexcept
    cdef int label_bytes(self) except? -1
