# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: each loop states it, by the width of its entries.
"""References inside tables: of pointers or displacements, of functions' frames, symbols, relocations.

Each function goes through `size` bytes of `source`, and of the `piece` that corresponds to it (see `Predictor.run`).
"""

from __future__ import annotations

import cython

from airpatch.delta.modes import POINTERS, RELATIVE
from airpatch.delta.references import LEARN, PREDICT

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load32, load64, store32
    from cython.cimports.airpatch.delta.references import References
else:
    from airpatch.byte_access import load32, load64, store32
    from airpatch.delta.references import References

_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_SIGN = cython.declare(cython.ulonglong, 1 << 31)
_PREDICT = cython.declare(cython.int, PREDICT)
_LEARN = cython.declare(cython.int, LEARN)
_POINTERS = cython.declare(cython.int, POINTERS)
_RELATIVE = cython.declare(cython.int, RELATIVE)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_table(
    references: References,
    source: cython.p_const_uchar,
    piece: cython.p_uchar,
    size: cython.Py_ssize_t,
    mode: cython.int,
    task: cython.int,
    origin: cython.ulonglong,
    landing: cython.ulonglong,
    source_base: cython.ulonglong,
    target_base: cython.ulonglong,
) -> cython.void:
    """Go through pointers of 8 bytes, or displacements of 4, from the field itself or from a base (spec/DELTA.md)."""
    width: cython.Py_ssize_t = 8 if mode == _POINTERS else 4
    at: cython.Py_ssize_t = (width - origin % width) % width
    # In bounds: at + width <= size wherever a field is read or written.
    while at + width <= size:
        if mode == _RELATIVE:
            references.field32(source, piece, at, task, (origin + at) & _MASK64, (landing + at) & _MASK64)
        elif mode != _POINTERS:
            references.field32(source, piece, at, task, source_base, target_base)
        else:
            references.field64(source, piece, at, task)
        at += width


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_unaligned(
    references: References,
    source: cython.p_const_uchar,
    piece: cython.p_uchar,
    size: cython.Py_ssize_t,
    task: cython.int,
) -> cython.void:
    """Go through pointers of 8 bytes wherever they stand, as in tables of debugging information."""
    at: cython.Py_ssize_t = 0
    # In bounds: at + 8 <= size.
    while at + 8 <= size:
        if references.valid(load64(source, at)):
            references.field64(source, piece, at, task)
            at += 8
        else:
            at += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_frames(
    references: References,
    source: cython.p_const_uchar,
    piece: cython.p_uchar,
    size: cython.Py_ssize_t,
    task: cython.int,
    origin: cython.ulonglong,
    landing: cython.ulonglong,
) -> cython.void:
    """Linux Standard Base Core 5.0, 10.6.1: entries of functions, addressed by signed 32-bit displacements."""
    at: cython.Py_ssize_t = (4 - origin % 4) % 4
    length: cython.ulonglong
    back: cython.ulonglong
    span: cython.ulonglong
    address: cython.ulonglong
    went: cython.ulonglong
    # In bounds: at + 21 <= size.
    while at + 21 <= size:
        length = load32(source, at)
        back = load32(source, at + 4)
        span = load32(source, at + 12)
        address = (origin + at + 8 + ((load32(source, at + 8) ^ _SIGN) - _SIGN)) & _MASK64
        if (
            not 16 <= length < 1 << 16
            or length & 3
            or back & 3
            or not 0 < back < 1 << 30
            or not 0 < span < 1 << 30
            or not references.valid(address)
        ):
            at += 4
            continue
        if task != _LEARN:
            went = (references.map((address + span - 1) & _MASK64) + 1 - references.map(address)) & _MASK64
            if 0 < went < 2 * span:
                store32(piece, at + 12, went)
            went = references.map((origin + at + 4 - back) & _MASK64)
            store32(piece, at + 4, (landing + at + 4 - went) & _MASK64 if task == _PREDICT else went)
        references.field32(source, piece, at + 8, task, (origin + at + 8) & _MASK64, (landing + at + 8) & _MASK64)
        if source[at + 16] == 4 and load32(source, at + 17):
            references.field32(
                source, piece, at + 17, task, (origin + at + 17) & _MASK64, (landing + at + 17) & _MASK64
            )
        at += cython.cast(cython.Py_ssize_t, length + 4)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_symbols(
    references: References,
    source: cython.p_const_uchar,
    piece: cython.p_uchar,
    size: cython.Py_ssize_t,
    task: cython.int,
    origin: cython.ulonglong,
    source_base: cython.ulonglong,
    target_base: cython.ulonglong,
) -> cython.void:
    """System V ABI, chapter 4, Symbol Table."""
    at: cython.Py_ssize_t = (8 - origin % 8) % 8
    span: cython.ulonglong
    address: cython.ulonglong
    went: cython.ulonglong
    # In bounds: at + 24 <= size.
    while at + 24 <= size:
        address = load64(source, at + 8)
        span = load32(source, at + 16)
        if (
            source[at + 4] & 15 > 10
            or source[at + 5] > 3
            or load32(source, at + 20)
            or not (address == 0 or references.valid(address))
        ):
            at += 8
            continue
        if address and task != _LEARN and span:
            went = (references.map((address + span - 1) & _MASK64) + 1 - references.map(address)) & _MASK64
            if 0 < went < 2 * span:
                store32(piece, at + 16, went)
        references.field32(source, piece, at, task, source_base, target_base)
        if address:
            references.field64(source, piece, at + 8, task)
        at += 24


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_relocations(
    references: References,
    source: cython.p_const_uchar,
    piece: cython.p_uchar,
    size: cython.Py_ssize_t,
    task: cython.int,
    origin: cython.ulonglong,
    source_base: cython.ulonglong,
    target_base: cython.ulonglong,
) -> cython.void:
    """System V ABI, chapter 4, Relocation: entries with addends."""
    at: cython.Py_ssize_t = (8 - origin % 8) % 8
    kind: cython.ulonglong
    symbol: cython.ulonglong
    address: cython.ulonglong
    moved: cython.ulonglong
    # In bounds: at + 24 <= size.
    while at + 24 <= size:
        kind = load32(source, at + 8)
        symbol = load32(source, at + 12)
        if not 0 < kind < 2048 or not references.valid(load64(source, at)):
            at += 8
            continue
        references.field64(source, piece, at, task)
        if symbol:
            address = (source_base + 24 * symbol) & _MASK64
            if task == _LEARN:
                moved = load32(piece, at + 12)
                references.learn(address, (target_base + 24 * moved) & _MASK64)
            else:
                moved = (references.map(address) - (target_base if task == _PREDICT else 0)) & _MASK64
                store32(piece, at + 12, moved // 24 if task == _PREDICT else moved)
        references.field64(source, piece, at + 16, task)
        at += 24


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def relocate(
    references: References,
    table: cython.p_const_uchar,
    entries: cython.Py_ssize_t,
    piece: cython.p_uchar,
    size: cython.ulonglong,
    address: cython.ulonglong,
) -> cython.void:
    """Label in `piece`, which stands at `address`, what the relocations of `table` put there when it is loaded."""
    i: cython.Py_ssize_t
    place: cython.ulonglong
    label: cython.ulonglong
    # In bounds: 24 * i + 24 <= len(table), place + 8 <= size.
    for i in range(entries):
        place = (load64(table, 24 * i) - address) & _MASK64
        if size < 8 or place > size - 8:
            continue
        label = references.map(load64(table, 24 * i + 16))
        store32(piece, cython.cast(cython.Py_ssize_t, place), label)
        store32(piece, cython.cast(cython.Py_ssize_t, place) + 4, label >> 32 ^ load32(table, 24 * i + 12))
