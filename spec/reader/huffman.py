"""Codes as encoders compute them from symbol counts (DEFLATE.md, Codes)."""

from itertools import groupby

from .deflate import ORDER, RUNS

EXPLICIT, ZLIB, GO, KLAUSPOST, KLAUSPOST_ALL = range(5)


def header(value: int, literals: list[int], distances: list[int]) -> bytes:
    """The explicit header that an encoder makes of the counts of 286 and of 30 symbols; value is 1 to 4."""
    lengths_of = _zlib_lengths if value == ZLIB else _go_lengths
    if value == KLAUSPOST_ALL:
        literals, distances = [max(1, count) for count in literals], [max(1, count) for count in distances]
    if value == GO and not any(distances):
        distances = [1, *distances[1:]]
    codes = [lengths_of(literals, 15), lengths_of(distances, 15)]
    if value in (ZLIB, GO):
        codes = [lengths[: max(at + 1 for at, length in enumerate(lengths) if length)] for lengths in codes]
    runs = _runs(codes[0]) + _runs(codes[1]) if value == ZLIB else _runs(codes[0] + codes[1])
    counts = [0] * 19
    for run in runs:
        counts[RUNS.coded[run][0]] += 1
    lengths = lengths_of(counts, 7)
    sent = max([4] + [at + 1 for at, symbol in enumerate(ORDER) if lengths[symbol]])
    return bytes([len(codes[0]) - 257, len(codes[1]) - 1, sent - 4, *lengths, *runs])


def _zlib_lengths(counts: list[int], limit: int) -> list[int]:
    """`build_tree` and `gen_bitlen` of zlib's `trees.c`: a heap whose order decides between equals."""
    weights = [(count, 0) for count in counts]  # and depths, of nodes
    leaves = [symbol for symbol, count in enumerate(counts) if count]
    while len(leaves) < 2:
        symbol = leaves[-1] + 1 if leaves and leaves[-1] < 2 else 0
        weights[symbol] = (1, 0)
        leaves.append(symbol)
    heap = [0, *leaves]
    order: list[int] = []  # in which nodes leave the heap
    parents: dict[int, int] = {}

    def sink(at: int) -> None:
        value, child = heap[at], 2 * at
        while child < len(heap):
            if child + 1 < len(heap) and weights[heap[child + 1]] <= weights[heap[child]]:
                child += 1
            if weights[value] <= weights[heap[child]]:
                break
            heap[at], at, child = heap[child], child, 2 * child
        heap[at] = value

    for at in range(len(leaves) // 2, 0, -1):
        sink(at)
    while len(heap) > 2:
        first, heap[1] = heap[1], heap.pop()
        sink(1)
        second, heap[1] = heap[1], len(weights)
        order += [first, second]
        parents[first] = parents[second] = len(weights)
        (one, depth), (other, deep) = weights[first], weights[second]
        weights.append((one + other, max(depth, deep) + 1))
        sink(1)
    depths, totals, over = {heap[1]: 0}, [0] * (limit + 1), 0
    for node in reversed(order):
        depths[node] = min(limit, depths[parents[node]] + 1)
        over += depths[parents[node]] == limit
        totals[depths[node]] += node < len(counts)
    if over:
        while over > 0:
            bits = max(bits for bits in range(limit) if totals[bits])
            totals[bits], totals[bits + 1] = totals[bits] - 1, totals[bits + 1] + 2
            totals[limit], over = totals[limit] - 1, over - 2
        longest = (bits for bits in range(limit, 0, -1) for _ in range(totals[bits]))
        depths = dict(zip([node for node in order if node < len(counts)], longest, strict=True))
    return [depths.get(symbol, 0) for symbol in range(len(counts))]


def _go_lengths(counts: list[int], limit: int) -> list[int]:
    """Package-merge; of a leaf and a package of equal weight the package comes first."""
    leaves = sorted((count, symbol) for symbol, count in enumerate(counts) if count)
    number = [0] * len(counts)
    weights = [(count, 1, [symbol]) for count, symbol in leaves]
    row: list[tuple[int, int, list[int]]] = []
    for _ in range(limit if len(leaves) > 2 else 1):
        packages = [(one[0] + other[0], 0, one[2] + other[2]) for one, other in zip(row[::2], row[1::2], strict=False)]
        row = sorted(packages + weights, key=lambda item: item[:2])
    for _, _, symbols in row[: max(2, 2 * len(leaves) - 2)]:
        for symbol in symbols:
            number[symbol] += 1
    longest = iter(sorted(filter(None, number), reverse=True))
    for _, symbol in leaves:
        number[symbol] = next(longest)
    return number


def _runs(lengths: list[int]) -> list[int]:
    """The runs of code lengths, cut from the front, as long as can be."""
    runs: list[int] = []
    for length, same in groupby(lengths):
        count = len(list(same))
        if length:
            runs.append(length)
            count -= 1
        while count >= 3:
            run = min(6 if length else 138, count)
            runs.append(run + (13 if length else 17))
            count -= run
        runs += [length] * count
    return runs
