from airpatch.encoders.kzstd_sequences cimport Sequences
from airpatch.encoders.zstd_codes cimport FseTable

cdef class CodeSlot:
    cdef FseTable _default
    cdef FseTable _own
    cdef int _most_log
    cdef int _symbols
    cdef FseTable table


cdef class BlockReader:
    cdef readonly Sequences found
    cdef tuple _slots
    cdef object _buffer
    cdef unsigned char[::1] _data
    cdef unsigned char[::1] _bits_of_lengths
    cdef unsigned char[::1] _bits_of_matches
    cdef unsigned int[::1] _bases

    cdef long long _run(
        self, Sequences found, int begin, int size, FseTable lengths, FseTable offsets, FseTable matches
    ) noexcept nogil
