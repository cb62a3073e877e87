from airpatch.encoders.kzstd_sequences cimport Sequences
from airpatch.encoders.zstd_alignment cimport Alignment
from airpatch.encoders.zstd_recurrence cimport Recurrence

cdef class Offsets:
    cdef Alignment _alignment
    cdef Recurrence _recurrence
    cdef long long likely
    cdef long long other
    cdef long long _first
    cdef long long _second
    cdef long long _third

    cdef void foretell(self, long long position, unsigned int literals, unsigned long long word, int left) noexcept nogil
    cdef long long _coded(self, long long offset, unsigned int literals) noexcept nogil
    cdef long long take(self, long long value, long long position, unsigned int literals) noexcept nogil
    cdef long long _decoded(self, long long value, unsigned int literals) noexcept nogil


cdef class ColumnWriter:
    cdef Offsets _offsets
    cdef int _room
    cdef list _buffers
    cdef unsigned char[::1] _runs
    cdef unsigned char[::1] _hits
    cdef unsigned char[::1] _values
    cdef unsigned char[::1] _matches
    cdef long long _position
    cdef long long _run
    cdef long long _hit

    cdef void _block(self, Sequences found, int *ends, const unsigned char *content, int size) noexcept nogil


cdef class Column:
    cdef object _read
    cdef bytes _data
    cdef const unsigned char[::1] _view
    cdef Py_ssize_t _at
    cdef Py_ssize_t _end

    cdef long long number(self) except? -2


cdef class ColumnReader:
    cdef Offsets _offsets
    cdef Column _runs
    cdef Column _hits
    cdef Column _values
    cdef bytearray _buffer
    cdef unsigned char[::1] _plain
    cdef long long _position
    cdef long long _match
    cdef long long _hit

    cdef long long _next_hit(self) except? -2
