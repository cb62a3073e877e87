# Of byte_access.py, for compiled modules. C compilers make one load, or one store, of these bytes.

cdef extern from *:
    int __builtin_ctzll(unsigned long long) noexcept nogil
    int __builtin_clzll(unsigned long long) noexcept nogil


cdef inline unsigned int load32(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    data += at
    return (
        <unsigned int> data[0]
        | <unsigned int> data[1] << 8
        | <unsigned int> data[2] << 16
        | <unsigned int> data[3] << 24
    )


cdef inline unsigned int load32_big(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    data += at
    return (
        <unsigned int> data[0] << 24
        | <unsigned int> data[1] << 16
        | <unsigned int> data[2] << 8
        | <unsigned int> data[3]
    )


cdef inline unsigned long long load64(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    data += at
    return (
        <unsigned long long> data[0]
        | <unsigned long long> data[1] << 8
        | <unsigned long long> data[2] << 16
        | <unsigned long long> data[3] << 24
        | <unsigned long long> data[4] << 32
        | <unsigned long long> data[5] << 40
        | <unsigned long long> data[6] << 48
        | <unsigned long long> data[7] << 56
    )


cdef inline unsigned long long load64_big(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    data += at
    return (
        <unsigned long long> data[0] << 56
        | <unsigned long long> data[1] << 48
        | <unsigned long long> data[2] << 40
        | <unsigned long long> data[3] << 32
        | <unsigned long long> data[4] << 24
        | <unsigned long long> data[5] << 16
        | <unsigned long long> data[6] << 8
        | <unsigned long long> data[7]
    )


cdef inline void store32(unsigned char *data, Py_ssize_t at, unsigned int word) noexcept nogil:
    data += at
    data[0] = word & 0xFF
    data[1] = word >> 8 & 0xFF
    data[2] = word >> 16 & 0xFF
    data[3] = word >> 24 & 0xFF


cdef inline void store64(unsigned char *data, Py_ssize_t at, unsigned long long word) noexcept nogil:
    data += at
    data[0] = word & 0xFF
    data[1] = word >> 8 & 0xFF
    data[2] = word >> 16 & 0xFF
    data[3] = word >> 24 & 0xFF
    data[4] = word >> 32 & 0xFF
    data[5] = word >> 40 & 0xFF
    data[6] = word >> 48 & 0xFF
    data[7] = word >> 56 & 0xFF


cdef inline Py_ssize_t common(
    const unsigned char *left, Py_ssize_t at, const unsigned char *right, Py_ssize_t where, Py_ssize_t limit
) noexcept nogil:
    cdef Py_ssize_t size = 0
    cdef unsigned long long differing
    while size + 8 <= limit:
        differing = load64(left, at + size) ^ load64(right, where + size)
        if differing:
            return size + (__builtin_ctzll(differing) >> 3)
        size += 8
    while size < limit and left[at + size] == right[where + size]:
        size += 1
    return size


cdef inline Py_ssize_t common_before(
    const unsigned char *left, Py_ssize_t at, const unsigned char *right, Py_ssize_t where, Py_ssize_t limit
) noexcept nogil:
    cdef Py_ssize_t size = 0
    cdef unsigned long long differing
    while size + 8 <= limit:
        differing = load64(left, at - size - 8) ^ load64(right, where - size - 8)
        if differing:
            return size + (__builtin_clzll(differing) >> 3)
        size += 8
    while size < limit and left[at - size - 1] == right[where - size - 1]:
        size += 1
    return size
