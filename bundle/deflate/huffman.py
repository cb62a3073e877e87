# cython: boundscheck=False, wraparound=False, initializedcheck=False
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

from bundle.errors import FormatError

_MAX_SYMBOLS = cython.declare(cython.int, 288)
_NODES = cython.declare(cython.int, 2 * 288)


def zlib_lengths(counts: array[int], limit: int) -> bytes:
    """Return the code length of each symbol, as zlib's `build_tree` and `gen_bitlen` choose it.

    `counts` is an array of typecode "I" with at most 288 entries; `limit` is the longest length allowed (15,
    or 7 for the code length alphabet). Ties between equal counts go to the shallower subtree. At least two
    symbols get a code.
    """
    return _zlib_lengths(counts, limit, len(counts))


@cython.cfunc
def _zlib_lengths(counts: cython.uint[::1], limit: cython.int, symbols: cython.int) -> bytes:
    weight: cython.uint[::1] = array("I", bytes(4 * _NODES))
    depth: cython.uint[::1] = array("I", bytes(4 * _NODES))
    parent: cython.int[::1] = array("i", bytes(4 * _NODES))
    heap: cython.int[::1] = array("i", bytes(4 * (_MAX_SYMBOLS + 1)))  # from index 1
    merged: cython.int[::1] = array("i", bytes(4 * _NODES))  # nodes in the order in which they leave the heap
    lengths: cython.uchar[::1] = bytearray(_NODES)
    size: cython.int = 0
    i: cython.int
    used: cython.int = 0
    for i in range(symbols):
        weight[i] = counts[i]
        if counts[i]:
            size += 1
            heap[size] = i
            used = i + 1
    while size < 2:  # zlib never sends a code of fewer than two symbols: pkzip could not read it
        i = used if used < 3 else 0
        used = max(used, i + 1)
        weight[i] = 1
        size += 1
        heap[size] = i
    for i in range(size // 2, 0, -1):
        _sift(heap, size, i, weight, depth)

    node: cython.int = symbols
    count: cython.int = 0
    first: cython.int
    second: cython.int
    while size > 1:
        first = heap[1]
        heap[1] = heap[size]
        size -= 1
        _sift(heap, size, 1, weight, depth)
        second = heap[1]
        merged[count] = first
        merged[count + 1] = second
        count += 2
        weight[node] = weight[first] + weight[second]
        depth[node] = max(depth[first], depth[second]) + 1
        parent[first] = parent[second] = node
        heap[1] = node
        node += 1
        _sift(heap, size, 1, weight, depth)

    # Walk from the root down. Too long codes are cut to the limit; `excess` counts them.
    by_length: cython.int[::1] = array("i", bytes(4 * 17))
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
        return bytes(lengths[:symbols])
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
    return bytes(lengths[:symbols])


@cython.cfunc
def _sift(
    heap: cython.int[::1],
    size: cython.int,
    hole: cython.int,
    weight: cython.uint[::1],
    depth: cython.uint[::1],
) -> cython.void:
    """Let the node at `hole` sink to its place: lighter nodes first, among equals the shallower one."""
    node: cython.int = heap[hole]
    child: cython.int = 2 * hole
    while child <= size:
        if child < size and _before(heap[child + 1], heap[child], weight, depth):
            child += 1
        if _before(node, heap[child], weight, depth):
            break
        heap[hole] = heap[child]
        hole = child
        child = 2 * hole
    heap[hole] = node


@cython.cfunc
@cython.inline
def _before(a: cython.int, b: cython.int, weight: cython.uint[::1], depth: cython.uint[::1]) -> cython.bint:
    return weight[a] < weight[b] or (weight[a] == weight[b] and depth[a] <= depth[b])


def go_lengths(counts: array[int], limit: int) -> bytes:
    """Return the code length of each symbol, as Go's `huffmanEncoder.generate` chooses it.

    `counts` is an array of typecode "I" with at most 288 entries; `limit` is 15, or 7 for the code length
    alphabet. Package-merge (Larmore and Hirschberg 1990): always optimal under the limit. Between a leaf and
    a package of equal weight the package comes first; among symbols of equal count the larger one gets the
    shorter code. One or two used symbols get one bit each.
    """
    order = sorted([count << 9 | symbol for symbol, count in enumerate(counts) if count])
    lengths = bytearray(len(counts))
    if len(order) <= 2:
        for item in order:
            lengths[item & 0x1FF] = 1
        return bytes(lengths)
    longer = _package_merge(array("Q", [item >> 9 for item in order]), min(limit, len(order) - 1))
    bits = 1
    for index in range(len(order) - 1, -1, -1):
        while index < longer[bits]:
            bits += 1
        lengths[order[index] & 0x1FF] = bits
    return bytes(lengths)


@cython.cfunc
def _package_merge(weights: cython.ulonglong[::1], limit: cython.int) -> list[int]:
    """Return for each b in 0..limit how many leaves, the lightest ones, get more than b bits.

    `weights` ascend; there are at least 3.
    """
    leaves: cython.int = len(weights)
    row: cython.ulonglong[::1] = array("Q", bytes(8 * _NODES))
    below: cython.ulonglong[::1] = array("Q", bytes(8 * _NODES))
    # used[level * _NODES + k]: how many leaves are among the first k + 1 items of a level.
    used: cython.ushort[::1] = array("H", bytes(2 * 16 * _NODES))
    leaf: cython.int
    pairs: cython.int
    item: cython.int
    items: cython.int = 0
    base: cython.int = 0
    weight: cython.ulonglong
    package: cython.ulonglong
    for _ in range(limit):  # from the level of the longest codes up
        pairs = items // 2
        items = leaves + pairs
        leaf = 0
        weight = weights[0]
        package = below[0] + below[1]
        for item in range(items):
            if item - leaf == pairs or (leaf < leaves and weight < package):
                row[item] = weight
                leaf += 1
                if leaf < leaves:
                    weight = weights[leaf]
            else:
                row[item] = package
                if item + 1 - leaf < pairs:
                    package = below[2 * (item + 1 - leaf)] + below[2 * (item + 1 - leaf) + 1]
            used[base + item] = leaf
        row, below = below, row
        base += _NODES

    longer: list[int] = []
    wanted: cython.int = 2 * leaves - 2
    for _ in range(limit):
        base -= _NODES
        leaf = used[base + wanted - 1] if wanted else 0
        longer.append(leaf)
        wanted = 2 * (wanted - leaf)
    longer.append(0)
    return longer


def canonical_codes(lengths: bytes) -> array[int]:
    """Return the code of each symbol, bits reversed as deflate sends them (RFC 1951 3.2.2); 0 for unused
    symbols.

    Raises FormatError if the lengths, at most 15 each, promise more codes than there are.
    """
    following = [0] * (16 + 1)
    code = 0
    for bits in range(1, 16):
        code = code + (lengths.count(bits - 1) if bits > 1 else 0) << 1
        following[bits] = code
    if lengths and code + lengths.count(15) > 1 << 15:
        raise FormatError("over-subscribed Huffman code")
    return _canonical_codes(lengths, array("I", following))


@cython.cfunc
def _canonical_codes(lengths: bytes, following: cython.uint[::1]) -> array[int]:
    codes = array("I", bytes(4 * len(lengths)))
    view: cython.uint[::1] = codes
    i: cython.Py_ssize_t
    bits: cython.uint
    code: cython.uint
    reverse: cython.uint
    for i in range(len(lengths)):
        bits = lengths[i]
        if bits:
            code = following[bits]
            following[bits] += 1
            reverse = 0
            for _ in range(bits):
                reverse = reverse << 1 | code & 1
                code >>= 1
            view[i] = reverse
    return codes
