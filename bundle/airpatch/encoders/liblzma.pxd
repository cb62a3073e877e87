from libc.stdint cimport uint32_t, uint64_t, uint8_t


cdef extern from "lzma.h" nogil:
    ctypedef struct lzma_stream:
        const uint8_t *next_in
        size_t avail_in
        uint8_t *next_out
        size_t avail_out

    ctypedef struct lzma_options_lzma:
        uint32_t dict_size

    ctypedef struct lzma_filter:
        uint64_t id
        void *options

    ctypedef struct lzma_mt:
        uint32_t threads
        const lzma_filter *filters
        int check

    const int LZMA_OK, LZMA_STREAM_END, LZMA_BUF_ERROR, LZMA_MEM_ERROR
    const int LZMA_RUN, LZMA_FINISH
    const uint64_t LZMA_FILTER_LZMA2, LZMA_VLI_UNKNOWN
    const uint32_t LZMA_PRESET_EXTREME, LZMA_TELL_UNSUPPORTED_CHECK
    int lzma_lzma_preset(lzma_options_lzma *, uint32_t) noexcept
    int lzma_stream_encoder(lzma_stream *, const lzma_filter *, int) noexcept
    int lzma_stream_encoder_mt(lzma_stream *, const lzma_mt *) noexcept
    int lzma_stream_decoder(lzma_stream *, uint64_t, uint32_t) noexcept
    int lzma_code(lzma_stream *, int) noexcept
    void lzma_end(lzma_stream *) noexcept


cdef class XzEncoder:
    cdef lzma_stream *_stream
    cdef object _spend
    cdef bint _is_extreme
    cdef object _buffer
    cdef unsigned char[::1] _out


cdef class XzDecompressor:
    cdef lzma_stream *_stream
    cdef object _buffer
    cdef unsigned char[::1] _out
    cdef readonly bint eof
    cdef readonly bytes unused_data
    cdef readonly bytes unconsumed_tail
