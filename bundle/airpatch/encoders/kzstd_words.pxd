# Of kzstd_words.py, for compiled modules.

from airpatch.byte_access cimport load64, store64

cdef extern from *:
    int __builtin_clz(unsigned int) noexcept nogil


cdef inline unsigned int hash4(unsigned long long word, int bits) noexcept nogil:
    return <unsigned int> (<unsigned int> word * <unsigned int> 2654435761) >> (32 - bits)


cdef inline unsigned int hash5(unsigned long long word, int bits) noexcept nogil:
    return <unsigned int> (((word << 24) * <unsigned long long> 889523592379) >> (64 - bits))


cdef inline unsigned int hash6(unsigned long long word, int bits) noexcept nogil:
    return <unsigned int> (((word << 16) * <unsigned long long> 227718039650203) >> (64 - bits))


cdef inline unsigned int hash8(unsigned long long word, int bits) noexcept nogil:
    return <unsigned int> ((word * <unsigned long long> 0xCF1BBCDCB7A56463) >> (64 - bits))


cdef inline unsigned long long pair(unsigned long long high, unsigned int low) noexcept nogil:
    return high << 32 | low


cdef inline unsigned int high32(unsigned long long entry) noexcept nogil:
    return <unsigned int> (entry >> 32)


cdef inline unsigned int low32(unsigned long long entry) noexcept nogil:
    return <unsigned int> entry


cdef inline int bit_length(unsigned int number) noexcept nogil:
    return 32 - __builtin_clz(number) if number else 0


cdef inline int put_literals(
    unsigned char *literals, int at, const unsigned char *window, int begin, int end
) noexcept nogil:
    cdef int left = end - begin
    cdef int copied = 0
    while copied < left:
        store64(literals, at + copied, load64(window, begin + copied))
        copied += 8
    return at + left
