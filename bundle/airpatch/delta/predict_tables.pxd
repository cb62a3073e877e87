from airpatch.delta.references cimport References

cdef void run_table(
    References references,
    const unsigned char *source,
    unsigned char *piece,
    Py_ssize_t size,
    int mode,
    int task,
    unsigned long long origin,
    unsigned long long landing,
    unsigned long long source_base,
    unsigned long long target_base,
) noexcept nogil
cdef void run_unaligned(
    References references,
    const unsigned char *source,
    unsigned char *piece,
    Py_ssize_t size,
    int task,
) noexcept nogil
cdef void run_frames(
    References references,
    const unsigned char *source,
    unsigned char *piece,
    Py_ssize_t size,
    int task,
    unsigned long long origin,
    unsigned long long landing,
) noexcept nogil
cdef void run_symbols(
    References references,
    const unsigned char *source,
    unsigned char *piece,
    Py_ssize_t size,
    int task,
    unsigned long long origin,
    unsigned long long source_base,
    unsigned long long target_base,
) noexcept nogil
cdef void run_relocations(
    References references,
    const unsigned char *source,
    unsigned char *piece,
    Py_ssize_t size,
    int task,
    unsigned long long origin,
    unsigned long long source_base,
    unsigned long long target_base,
) noexcept nogil
cdef void relocate(
    References references,
    const unsigned char *table,
    Py_ssize_t entries,
    unsigned char *piece,
    unsigned long long size,
    unsigned long long address,
) noexcept nogil
