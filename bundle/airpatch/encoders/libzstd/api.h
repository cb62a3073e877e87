/* What airpatch calls of a libzstd. */
#ifndef AIRPATCH_LIBZSTD_API_H
#define AIRPATCH_LIBZSTD_API_H
#include <stddef.h>

typedef struct {
    void *(*create)(void);
    size_t (*release)(void *context);
    /* Sets how frames are compressed; of them all, `size` is that of the next one, or -1 if it is not known. */
    size_t (*set)(void *context, int level, int workers, int checksum);
    /* Makes the tables no larger than so many bits, for input that fits into smaller ones. */
    size_t (*limit)(void *context, int hash_log, int chain_log);
    size_t (*begin)(void *context, long long size);
    /* Compresses from in[*in_at:in_size] to out[*out_at:out_size]; `mode` is 0 to go on, 1 to flush, 2 to end. Returns what is
     * left to write, or an error. */
    size_t (*run)(void *context, const void *in, size_t in_size, size_t *in_at, void *out, size_t out_size, size_t *out_at,
                  int mode);
    unsigned (*is_error)(size_t result);
} libzstd_api;

extern const libzstd_api libzstd_1_5_6;
extern const libzstd_api libzstd_1_5_7;
#endif
