"""Codes as encoders compute them from symbol counts (DEFLATE.md, Codes)."""

from .gzip_file import ORDER

EXPLICIT, ZLIB, GO, KLAUSPOST, KLAUSPOST_ALL = range(5)


def header(value: int, literals: list[int], distances: list[int]) -> bytes:
    """The explicit header that an encoder makes of the counts of 286 and of 30 symbols; value is 1 to 4."""
    if value == ZLIB:
        codes = [_zlib_lengths(literals, 15), _zlib_lengths(distances, 15)]
        codes = [_trimmed(code) for code in codes]
        runs = [run for code in codes for run in _zlib_runs(code)]
        lengths = _zlib_lengths(_run_counts(runs), 7)
    else:
        if value == KLAUSPOST_ALL:
            literals, distances = [max(1, count) for count in literals], [max(1, count) for count in distances]
        if value == GO and not any(distances):
            distances = [1, *distances[1:]]
        codes = [_go_lengths(literals, 15), _go_lengths(distances, 15)]
        if value == GO:
            codes = [_trimmed(code) for code in codes]
        runs = _go_runs([length for code in codes for length in code])
        lengths = _go_lengths(_run_counts(runs), 7)
    sent = max([4] + [at + 1 for at, symbol in enumerate(ORDER) if lengths[symbol]])
    return bytes([len(codes[0]) - 257, len(codes[1]) - 1, sent - 4, *lengths, *runs])


def _trimmed(lengths: list[int]) -> list[int]:
    return lengths[: max(at + 1 for at, length in enumerate(lengths) if length)]


def symbol_of_run(run: int) -> tuple[int, int, int]:
    """The symbol, extra bits and their number of a run."""
    if run < 16:
        return run, 0, 0
    return (16, run - 16, 2) if run < 20 else (17, run - 20, 3) if run < 28 else (18, run - 28, 7)


def _run_counts(runs: list[int]) -> list[int]:
    counts = [0] * 19
    for run in runs:
        counts[symbol_of_run(run)[0]] += 1
    return counts


def _zlib_lengths(counts: list[int], limit: int) -> list[int]:
    """`build_tree` and `gen_bitlen` of zlib's `trees.c`."""
    counts = list(counts)
    most = max((symbol for symbol, count in enumerate(counts) if count), default=-1)
    leaves = [symbol for symbol, count in enumerate(counts) if count]
    while len(leaves) < 2:
        most, symbol = (most + 1, most + 1) if most < 2 else (most, 0)
        counts[symbol] = 1
        leaves.append(symbol)
    return _Tree(counts, leaves).lengths(limit)


class _Tree:
    """zlib's heap, whose order decides between equals, so that it is kept exactly as zlib keeps it."""

    def __init__(self, counts: list[int], leaves: list[int]) -> None:
        self.size = len(counts)
        self.count = counts + [0] * self.size
        self.depth = [0] * (2 * self.size)
        self.heap = [0, *leaves]
        self.parent = [0] * (2 * self.size)
        self.order: list[int] = []  # nodes as they left the heap
        self._build()

    def _smaller(self, one: int, other: int) -> bool:
        return (self.count[one], self.depth[one]) <= (self.count[other], self.depth[other])

    def _down(self, at: int) -> None:
        value, child = self.heap[at], 2 * at
        while child < len(self.heap):
            if child + 1 < len(self.heap) and self._smaller(self.heap[child + 1], self.heap[child]):
                child += 1
            if self._smaller(value, self.heap[child]):
                break
            self.heap[at], at, child = self.heap[child], child, 2 * child
        self.heap[at] = value

    def _build(self) -> None:
        for at in range((len(self.heap) - 1) // 2, 0, -1):
            self._down(at)
        node = self.size
        while len(self.heap) > 2:
            first = self.heap[1]
            self.heap[1] = self.heap[-1]
            self.heap.pop()
            self._down(1)
            second = self.heap[1]
            self.order += [first, second]
            self.count[node] = self.count[first] + self.count[second]
            self.depth[node] = max(self.depth[first], self.depth[second]) + 1
            self.parent[first] = self.parent[second] = node
            self.heap[1] = node
            node += 1
            self._down(1)
        self.order.append(self.heap[1])

    def lengths(self, limit: int) -> list[int]:
        """`gen_bitlen`: depths, those over the limit corrected, the rarest symbols first."""
        depth = [0] * (2 * self.size)
        totals = [0] * (limit + 1)
        over = 0
        for node in reversed(self.order[:-1]):
            depth[node] = depth[self.parent[node]] + 1
            if depth[node] > limit:
                depth[node], over = limit, over + 1
            if node < self.size:
                totals[depth[node]] += 1
        if not over:
            return depth[: self.size]
        while over > 0:
            bits = limit - 1
            while not totals[bits]:
                bits -= 1
            totals[bits] -= 1
            totals[bits + 1] += 2
            totals[limit] -= 1
            over -= 2
        lengths = [0] * self.size
        leaves = iter([node for node in self.order if node < self.size])
        for bits in range(limit, 0, -1):
            for _ in range(totals[bits]):
                lengths[next(leaves)] = bits
        return lengths


def _zlib_runs(lengths: list[int]) -> list[int]:
    """`scan_tree` and `send_tree` of zlib's `trees.c`, over one alphabet."""
    runs: list[int] = []
    before, count = -1, 0
    for at, length in enumerate(lengths):
        count += 1
        following = lengths[at + 1] if at + 1 < len(lengths) else -1
        most, least = (138, 3) if length == 0 else (6, 3) if length == before else (7, 4)
        if count < most and length == following:
            continue
        if count < least:
            runs += [length] * count
        elif length:
            if length != before:
                runs.append(length)
                count -= 1
            runs.append(16 + count - 3)
        else:
            runs.append(17 + count)
        before, count = length, 0
    return runs


def _go_lengths(counts: list[int], limit: int) -> list[int]:
    """Package-merge; of a leaf and a package of equal weight the package comes first."""
    leaves = sorted((count, symbol) for symbol, count in enumerate(counts) if count)
    lengths = [0] * len(counts)
    if len(leaves) <= 2:
        for _, symbol in leaves:
            lengths[symbol] = 1
        return lengths
    row: list[tuple[int, int, list[int]]] = []
    weights = [(count, 1, [symbol]) for count, symbol in leaves]
    for _ in range(limit):
        packages = [(one[0] + other[0], 0, one[2] + other[2]) for one, other in zip(row[::2], row[1::2], strict=False)]
        row = sorted(packages + weights, key=lambda item: item[:2])
    number = [0] * len(counts)
    for _, _, symbols in row[: 2 * len(leaves) - 2]:
        for symbol in symbols:
            number[symbol] += 1
    ordered = sorted((number[symbol] for _, symbol in leaves), reverse=True)
    for (_, symbol), length in zip(leaves, ordered, strict=True):
        lengths[symbol] = length
    return lengths


def _go_runs(lengths: list[int]) -> list[int]:
    """`generateCodegen` of Go's `huffman_bit_writer.go`, over both alphabets."""
    runs: list[int] = []
    at = 0
    while at < len(lengths):
        length = lengths[at]
        count = 1
        while at + count < len(lengths) and lengths[at + count] == length:
            count += 1
        at += count
        if length:
            runs.append(length)
            count -= 1
            while count >= 3:
                run = min(6, count)
                runs.append(16 + run - 3)
                count -= run
        else:
            while count >= 11:
                run = min(138, count)
                runs.append(17 + run)
                count -= run
            if count >= 3:
                runs.append(17 + count)
                count = 0
        runs += [length] * count
    return runs
