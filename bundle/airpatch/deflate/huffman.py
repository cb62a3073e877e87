# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: at most 288 symbols make 575 nodes and 289 items of a heap; lengths are at most 15 (`_canonical_codes`
# checks), so arrays by length have 17 entries.
"""Code lengths from symbol counts, built exactly as the encoders in the field build them, and canonical
codes.

Deflate leaves the construction of Huffman codes to the encoder; encoders differ in how they break ties and
how they keep codes below the length limit. Two constructions cover nearly all layers: zlib's (`trees.c`,
Jean-loup Gailly; also GNU gzip and pigz) and Go's (`compress/flate/huffman_code.go`, also
klauspost/compress). Both are described here in our own words; the results agree with theirs length by length.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.errors import FormatError

_NODES = cython.declare(cython.int, 2 * 288)

# An item of zlib's heap has a node in bits 0 to 9, its depth in bits 10 to 19, its weight above. The latter two decide.
_NODE = cython.declare(cython.ulonglong, 0x3FF)
_DEPTH = cython.declare(cython.ulonglong, 0x3FF << 10)
_RANK = cython.declare(cython.int, 10)
_WEIGHT = cython.declare(cython.int, 20)
_NO_ITEM = cython.declare(cython.ulonglong, (1 << 64) - 1)


def zlib_lengths(counts: array[int], limit: int) -> bytes:
    """Return the code length of each symbol, as zlib's `build_tree` and `gen_bitlen` choose it.

    `counts` is an array of typecode "I" with at most 288 entries; `limit` is the longest length allowed (15,
    or 7 for the code length alphabet). Ties between equal counts go to the shallower subtree. At least two
    symbols get a code.
    """
    return _zlib_lengths(counts, limit, len(counts))


@cython.cfunc
def _zlib_lengths(counts: cython.uint[::1], limit: cython.int, symbols: cython.int) -> bytes:
    # Arrays of C, since this is done for every few KiB. An item of the heap is a weight, a depth, and the node they
    # belong to; the heap begins at index 1, and the item after its last one is never chosen.
    heap = cython.declare(cython.ulonglong[290])
    parent = cython.declare(cython.int[576])
    merged = cython.declare(cython.int[576])  # nodes in the order in which they leave the heap
    node_lengths = bytearray(_NODES)
    lengths: cython.p_uchar = node_lengths
    size: cython.int = 0
    i: cython.int
    used: cython.int = 0
    for i in range(symbols):
        if counts[i]:
            size += 1
            heap[size] = cython.cast(cython.ulonglong, counts[i]) << _WEIGHT | i
            used = i + 1
    while size < 2:  # zlib never sends a code of fewer than two symbols: pkzip could not read it
        i = used if used < 3 else 0
        used = max(used, i + 1)
        size += 1
        heap[size] = cython.cast(cython.ulonglong, 1) << _WEIGHT | i
    heap[size + 1] = _NO_ITEM
    for i in range(size // 2, 0, -1):
        _sift(heap, size, i)

    node: cython.int = symbols
    count: cython.int = 0
    first: cython.ulonglong
    second: cython.ulonglong
    depth: cython.ulonglong
    while size > 1:
        first = heap[1]
        heap[1] = heap[size]
        heap[size] = _NO_ITEM
        size -= 1
        _sift(heap, size, 1)
        second = heap[1]
        merged[count] = first & _NODE
        merged[count + 1] = second & _NODE
        count += 2
        parent[merged[count - 1]] = parent[merged[count - 2]] = node
        depth = max(first & _DEPTH, second & _DEPTH) + _NODE + 1
        heap[1] = ((first >> _WEIGHT) + (second >> _WEIGHT)) << _WEIGHT | depth | node
        node += 1
        _sift(heap, size, 1)

    # Walk from the root down. Too long codes are cut to the limit; `excess` counts them.
    by_length = cython.declare(cython.int[17])
    for i in range(17):
        by_length[i] = 0
    excess: cython.int = 0
    bits: cython.int
    for i in range(count - 1, -1, -1):
        node = merged[i]
        bits = lengths[parent[node]] + 1
        if bits > limit:
            bits = limit
            excess += 1
        lengths[node] = bits
        if node < symbols:
            by_length[bits] += 1
    if excess == 0:
        return bytes(node_lengths[:symbols])
    while excess > 0:  # hang one cut leaf beside a shorter one, until the code is complete again
        bits = limit - 1
        while by_length[bits] == 0:
            bits -= 1
        by_length[bits] -= 1
        by_length[bits + 1] += 2
        by_length[limit] -= 1
        excess -= 2
    i = 0
    for bits in range(limit, 0, -1):  # the rarest symbols take the longest codes
        for _ in range(by_length[bits]):
            while merged[i] >= symbols:
                i += 1
            lengths[merged[i]] = bits
            i += 1
    return bytes(node_lengths[:symbols])


@cython.cfunc
@cython.exceptval(check=False)
def _sift(heap: cython.p_ulonglong, size: cython.int, hole: cython.int) -> cython.void:
    """Let the item at `hole` sink to its place: lighter ones first, among equals the shallower one."""
    item: cython.ulonglong = heap[hole]
    child: cython.int = 2 * hole
    while child <= size:
        child += (heap[child + 1] >> _RANK) <= (heap[child] >> _RANK)  # no branch: it cannot be predicted
        if item >> _RANK <= heap[child] >> _RANK:
            break
        heap[hole] = heap[child]
        hole = child
        child = 2 * hole
    heap[hole] = item


def go_lengths(counts: array[int], limit: int) -> bytes:
    """Return the code length of each symbol, as Go's `huffmanEncoder.generate` chooses it.

    `counts` is an array of typecode "I" with at most 288 entries; `limit` is 15, or 7 for the code length
    alphabet. Package-merge (Larmore and Hirschberg 1990): always optimal under the limit. Between a leaf and
    a package of equal weight the package comes first; among symbols of equal count the larger one gets the
    shorter code. One or two used symbols get one bit each.
    """
    return _go_lengths(counts, limit, len(counts))


@cython.cfunc
def _go_lengths(counts: cython.uint[::1], limit: cython.int, symbols: cython.int) -> bytes:
    lengths: cython.uchar[::1] = bytearray(symbols)
    order = sorted([cython.cast(cython.ulonglong, counts[i]) << 9 | i for i in range(symbols) if counts[i]])
    leaves: cython.int = len(order)
    items: cython.ulonglong[::1] = array("Q", order)
    index: cython.int
    if leaves <= 2:
        for index in range(leaves):
            lengths[items[index] & 0x1FF] = 1
        return bytes(lengths)
    longer: cython.int[::1] = array("i", bytes(4 * 17))
    _package_merge(items, min(limit, leaves - 1), longer)
    bits: cython.int = 1
    for index in range(leaves - 1, -1, -1):
        while index < longer[bits]:
            bits += 1
        lengths[items[index] & 0x1FF] = bits
    return bytes(lengths)


@cython.cfunc
def _package_merge(leaves: cython.ulonglong[::1], limit: cython.int, longer: cython.int[::1]) -> cython.void:
    """Find out for each b in 0..limit how many leaves, the lightest ones, get more than b bits.

    Leaves are weights << 9, with anything below, and ascend; there are at least 3.
    """
    count: cython.int = len(leaves)
    row: cython.ulonglong[::1] = array("Q", bytes(8 * _NODES))
    below: cython.ulonglong[::1] = array("Q", bytes(8 * _NODES))
    # used[level * _NODES + k]: how many leaves are among the first k + 1 items of a level.
    used: cython.ushort[::1] = array("H", bytes(2 * 15 * _NODES))
    leaf: cython.int
    pairs: cython.int
    item: cython.int
    items: cython.int = 0
    base: cython.int = 0
    weight: cython.ulonglong
    package: cython.ulonglong
    for _ in range(limit):  # from the level of the longest codes up
        pairs = items // 2
        items = count + pairs
        leaf = 0
        weight = leaves[0] >> 9
        package = below[0] + below[1]
        for item in range(items):
            if item - leaf == pairs or (leaf < count and weight < package):
                row[item] = weight
                leaf += 1
                if leaf < count:
                    weight = leaves[leaf] >> 9
            else:
                row[item] = package
                if item + 1 - leaf < pairs:
                    package = below[2 * (item + 1 - leaf)] + below[2 * (item + 1 - leaf) + 1]
            used[base + item] = leaf
        row, below = below, row
        base += _NODES

    wanted: cython.int = 2 * count - 2
    for item in range(limit):
        base -= _NODES
        longer[item] = used[base + wanted - 1] if wanted else 0
        wanted = 2 * (wanted - longer[item])


def canonical_codes(lengths: bytes) -> array[int]:
    """Return the code of each symbol, bits reversed as deflate sends them (RFC 1951 3.2.2); 0 for unused
    symbols.

    Raises FormatError if the lengths promise more codes than there are, and ValueError if one is over 15.
    """
    codes = array("I", bytes(4 * len(lengths)))
    _canonical_codes(lengths, codes)
    return codes


@cython.cfunc
def _canonical_codes(lengths: bytes, codes: cython.uint[::1]) -> cython.void:
    following = cython.declare(cython.uint[17])  # counts of a length, at first one further on
    i: cython.Py_ssize_t
    bits: cython.uint
    code: cython.uint
    for i in range(17):
        following[i] = 0
    for i in range(len(lengths)):
        bits = lengths[i]
        if bits > 15:
            raise ValueError("a Huffman code of more than 15 bits")
        following[bits + 1] += 1
    following[1] = 0
    code = 0
    for i in range(1, 16):
        code = code + following[i] << 1
        following[i] = code
    if code + following[16] > 1 << 15:
        raise FormatError("over-subscribed Huffman code")
    for i in range(len(lengths)):
        bits = lengths[i]
        if bits:
            code = following[bits]
            following[bits] += 1
            code = (code & 0x5555) << 1 | code >> 1 & 0x5555
            code = (code & 0x3333) << 2 | code >> 2 & 0x3333
            code = (code & 0x0F0F) << 4 | code >> 4 & 0x0F0F
            code = (code & 0x00FF) << 8 | code >> 8
            codes[i] = code >> (16 - bits)
