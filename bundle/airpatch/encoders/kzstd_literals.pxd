from airpatch.encoders.kzstd_huffman cimport HuffmanCode, HuffmanMaker

cdef enum:
    INCOMPRESSIBLE = -1
    ONE_BYTE = -2


cdef class LiteralWriter:
    cdef HuffmanMaker _maker
    cdef HuffmanCode _current
    cdef HuffmanCode _previous
    cdef unsigned int[::1] _counts
    cdef int _fewest
    cdef bint _compares
    cdef bint _reuses
    cdef bint reused

    cdef void forget(self) noexcept nogil
    cdef int compress(
        self, unsigned char *out, int at, const unsigned char *source, int size, int plain_header
    ) noexcept nogil
    cdef int _code(self, unsigned char *out, int at, const unsigned char *source, int size) noexcept nogil
    cdef int _stream(
        self, HuffmanCode code, unsigned char *out, int at, const unsigned char *source, int size
    ) noexcept nogil


cdef int header_size(int size, int compressed) noexcept nogil
cdef int put_plain_header(unsigned char *out, int at, int kind, int size) noexcept nogil
cdef int put_header(unsigned char *out, int at, int kind, int size, int compressed) noexcept nogil
