from libc.stdint cimport uint32_t, uint8_t


cdef extern from "brotli/encode.h" nogil:
    ctypedef struct BrotliEncoderState:
        pass
    const int BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN
    const int BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FINISH
    BrotliEncoderState *BrotliEncoderCreateInstance(void *, void *, void *) noexcept
    int BrotliEncoderSetParameter(BrotliEncoderState *, int, uint32_t) noexcept
    int BrotliEncoderCompressStream(
        BrotliEncoderState *, int, size_t *, const uint8_t **, size_t *, uint8_t **, size_t *
    ) noexcept
    int BrotliEncoderIsFinished(BrotliEncoderState *) noexcept
    void BrotliEncoderDestroyInstance(BrotliEncoderState *) noexcept


cdef extern from "brotli/decode.h" nogil:
    ctypedef struct BrotliDecoderState:
        pass
    const int BROTLI_DECODER_RESULT_ERROR, BROTLI_DECODER_RESULT_SUCCESS
    BrotliDecoderState *BrotliDecoderCreateInstance(void *, void *, void *) noexcept
    int BrotliDecoderDecompressStream(
        BrotliDecoderState *, size_t *, const uint8_t **, size_t *, uint8_t **, size_t *
    ) noexcept
    void BrotliDecoderDestroyInstance(BrotliDecoderState *) noexcept


cdef extern from "enc/static_init.h" nogil:
    void BrotliEncoderLazyStaticInitInner() noexcept


cdef extern from "dec/static_init.h" nogil:
    void BrotliDecoderLazyStaticInitInner() noexcept


cdef class BrotliEncoder:
    cdef BrotliEncoderState *_state
    cdef object _spend
    cdef object _held
    cdef object _buffer
    cdef unsigned char[::1] _out


cdef class BrotliDecompressor:
    cdef BrotliDecoderState *_state
    cdef object _buffer
    cdef unsigned char[::1] _out
    cdef readonly bint eof
    cdef readonly bytes unused_data
    cdef readonly bytes unconsumed_tail
