# Of prefetch.py, for compiled modules.

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil


cdef inline void fetch(const unsigned int *words, Py_ssize_t at) noexcept nogil:
    __builtin_prefetch(&words[at])
