# Of hash_chains.py, for compiled modules.

cdef enum:
    RING = (1 << 15) - 1
    TOO_FAR = 0xFFFF


cdef inline int enter(
    unsigned int *newest, unsigned short *older, int base, Py_ssize_t index, unsigned int slot
) noexcept nogil:
    cdef unsigned int position = <unsigned int> index + base
    cdef unsigned int head = newest[slot]
    older[index & RING] = <unsigned short> min(position - head, <unsigned int> TOO_FAR)
    newest[slot] = position
    return <int> head - base


cdef inline void forget(unsigned int *newest, Py_ssize_t size, unsigned int before) noexcept nogil:
    cdef Py_ssize_t slot
    for slot in range(size):
        newest[slot] = newest[slot] - before if newest[slot] > before else 0
