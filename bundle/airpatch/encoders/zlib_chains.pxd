# Of zlib_chains.py, for compiled modules.

cdef enum:
    RING = (1 << 15) - 1


cdef inline int enter(
    const unsigned char *window, unsigned short *newest, unsigned short *older, Py_ssize_t index, int shift,
    unsigned int mask
) noexcept nogil:
    cdef unsigned int slot = (
        (window[index] << 2 * shift) ^ (window[index + 1] << shift) ^ window[index + 2]
    ) & mask
    cdef unsigned short head = newest[slot]
    older[index & RING] = head
    newest[slot] = <unsigned short> index
    return head


cdef inline void slide(unsigned short *positions, Py_ssize_t size, int by) noexcept nogil:
    cdef Py_ssize_t slot
    for slot in range(size):
        positions[slot] = positions[slot] - by if positions[slot] >= by else 0
