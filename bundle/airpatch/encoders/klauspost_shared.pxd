# Of klauspost_shared.py, for compiled modules.

from airpatch.byte_access cimport load32

cdef enum:
    BLOCK = 65535
    WINDOW = 1 << 15
    MAX_MATCH = 258
    MIN_PIECE = 3
    MARGIN = 11


cdef inline unsigned int hash4(unsigned long long word, int bits) noexcept nogil:
    return <unsigned int> (<unsigned int> word * <unsigned int> 2654435761) >> (32 - bits)


cdef inline unsigned int hash5(unsigned long long word, int bits) noexcept nogil:
    return <unsigned int> (((word << 24) * <unsigned long long> 889523592379) >> (64 - bits))


cdef inline unsigned int hash7(unsigned long long word, int bits) noexcept nogil:
    return <unsigned int> (((word << 8) * <unsigned long long> 58295818150454627) >> (64 - bits))


cdef inline void push(int *table, unsigned int slot, int position) noexcept nogil:
    table[slot + 1] = table[slot]
    table[slot] = position


cdef inline bint meets(const unsigned char *window, int index, int match, unsigned long long word) noexcept nogil:
    return index - match < WINDOW and load32(window, match) == <unsigned int> word


cdef inline int put_literals(
    unsigned int *tokens, int count, const unsigned char *window, int begin, int end
) noexcept nogil:
    cdef int index
    for index in range(begin, end):
        tokens[count] = window[index]
        count += 1
    return count


cdef inline int put_match(
    unsigned int *tokens, int count, int length, unsigned int distance, int piece
) noexcept nogil:
    cdef int part
    while length > MAX_MATCH:
        part = piece if length > MAX_MATCH + MIN_PIECE else MAX_MATCH - MIN_PIECE
        tokens[count] = <unsigned int> part << 16 | distance
        count += 1
        length -= part
    tokens[count] = <unsigned int> length << 16 | distance
    return count + 1
