from airpatch.delta.references cimport References

cdef void run_x86(
    References references,
    const unsigned char *source,
    unsigned char *piece,
    Py_ssize_t size,
    int task,
    unsigned long long origin,
    unsigned long long landing,
) noexcept nogil
cdef void run_aarch64(
    References references,
    const unsigned char *source,
    unsigned char *piece,
    Py_ssize_t size,
    unsigned long long *pages,
    int task,
    unsigned long long origin,
    unsigned long long landing,
) noexcept nogil
