cdef extern from "libzstd/api.h" nogil:
    ctypedef struct libzstd_api:
        void *(*create)() noexcept nogil
        size_t (*release)(void *context) noexcept nogil
        size_t (*set)(void *context, int level, int workers, int checksum) noexcept nogil
        size_t (*limit)(void *context, int hash_log, int chain_log) noexcept nogil
        size_t (*begin)(void *context, long long size) noexcept nogil
        size_t (*run)(
            void *context, const void *source, size_t source_size, size_t *source_at,
            void *out, size_t out_size, size_t *out_at, int mode
        ) noexcept nogil
        unsigned (*is_error)(size_t result) noexcept nogil

    const libzstd_api libzstd_1_5_6
    const libzstd_api libzstd_1_5_7


cdef class LibzstdEncoder:
    cdef const libzstd_api *_api
    cdef void *_context
    cdef bint _sized
    cdef object _buffer
    cdef unsigned char[::1] _out
