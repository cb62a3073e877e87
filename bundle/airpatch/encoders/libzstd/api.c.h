/* Defines the libzstd_api LIBZSTD_API of the libzstd that stands before it in a file. */
#include <stdlib.h>
#include <sys/mman.h>

enum { LIBZSTD_HUGE_PAGE = 2 << 20 };

/* Tables take tens of MiB, and the first touch of each page of 4 KiB takes longer than a search in it. */
static void *libzstd_allocate(void *opaque, size_t size)
{
    void *memory = NULL;
    (void)opaque;
    if (size < LIBZSTD_HUGE_PAGE)
        return malloc(size);
    if (posix_memalign(&memory, LIBZSTD_HUGE_PAGE, size))
        return NULL;
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, size, MADV_HUGEPAGE); /* a kernel without them has small ones */
#endif
    return memory;
}

static void libzstd_free(void *opaque, void *memory)
{
    (void)opaque;
    free(memory);
}

static void *libzstd_create(void)
{
    ZSTD_customMem memory = {libzstd_allocate, libzstd_free, NULL};
    return ZSTD_createCCtx_advanced(memory);
}

static size_t libzstd_release(void *context) { return ZSTD_freeCCtx(context); }

static size_t libzstd_set(void *context, int level, int workers, int checksum)
{
    size_t result = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(result))
        result = ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, workers);
    if (!ZSTD_isError(result))
        result = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum);
    return result;
}

static size_t libzstd_limit(void *context, int hash_log, int chain_log)
{
    size_t result = ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, hash_log);
    if (!ZSTD_isError(result))
        result = ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, chain_log);
    return result;
}

static size_t libzstd_begin(void *context, long long size)
{
    size_t result = ZSTD_CCtx_reset(context, ZSTD_reset_session_only);
    if (!ZSTD_isError(result) && size >= 0)
        result = ZSTD_CCtx_setPledgedSrcSize(context, (unsigned long long)size);
    return result;
}

static size_t libzstd_run(void *context, const void *in, size_t in_size, size_t *in_at, void *out, size_t out_size,
                          size_t *out_at, int mode)
{
    ZSTD_inBuffer input = {in, in_size, *in_at};
    ZSTD_outBuffer output = {out, out_size, *out_at};
    size_t result = ZSTD_compressStream2(context, &output, &input, (ZSTD_EndDirective)mode);
    *in_at = input.pos;
    *out_at = output.pos;
    return result;
}

static unsigned libzstd_is_error(size_t result) { return ZSTD_isError(result); }

const libzstd_api LIBZSTD_API = {libzstd_create, libzstd_release, libzstd_set, libzstd_limit, libzstd_begin,
                                 libzstd_run, libzstd_is_error};
