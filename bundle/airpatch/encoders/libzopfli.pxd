cdef extern from "zopfli.h" nogil:
    ctypedef struct ZopfliOptions:
        int numiterations
    void ZopfliInitOptions(ZopfliOptions *) noexcept


cdef extern from "deflate.h" nogil:
    void ZopfliDeflatePart(
        const ZopfliOptions *, int, int, const unsigned char *, size_t, size_t, unsigned char *, unsigned char **, size_t *
    ) noexcept


cdef class ZopfliDeflater:
    cdef int _iterations
    cdef object _spend
    cdef object _held
    cdef size_t _before
    cdef unsigned char _bits
    cdef unsigned char _partial
