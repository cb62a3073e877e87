# Of prefetch.py, for compiled modules.

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil


ctypedef fused word:
    unsigned int
    unsigned long long


cdef inline void fetch(const word *words, Py_ssize_t at) noexcept nogil:
    __builtin_prefetch(&words[at])
