# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: each loop states it; a register has 5 bits.
"""References inside machine code: in instructions, which are recognised by their looks.

Each function goes through `size` bytes of `source`, and of the `piece` that corresponds to it (see `Predictor.run`).
"""

from __future__ import annotations

import cython

from airpatch.delta.references import LEARN, PREDICT

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load32, store32
    from cython.cimports.airpatch.delta.references import References
else:
    from airpatch.byte_access import load32, store32
    from airpatch.delta.references import References

_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_PAGE = cython.declare(cython.ulonglong, 0xFFF)  # of 4 KiB, which ADRP counts in
_OUTSIDE_PAGE = cython.declare(cython.ulonglong, 0x9F00001F)  # bits of an ADR or ADRP that are not its number
_FOLLOWERS = cython.declare(cython.int, 64)  # bytes after an ADRP that are searched for what uses it
_PREDICT = cython.declare(cython.int, PREDICT)
_LEARN = cython.declare(cython.int, LEARN)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_x86(
    references: References,
    source: cython.p_const_uchar,
    piece: cython.p_uchar,
    size: cython.Py_ssize_t,
    task: cython.int,
    origin: cython.ulonglong,
    landing: cython.ulonglong,
) -> cython.void:
    """Intel SDM volume 2: CALL, JMP, Jcc of 32 bits, and the ModR/M bytes of rip-relative operands."""
    at: cython.Py_ssize_t = 0
    b: cython.uint
    # In bounds: at + 4 <= size wherever a byte is read, and after it is moved.
    while at + 4 <= size:
        b = source[at]
        if (b & 0xFE) == 0xE8 or (b & 0xC7) == 0x05:
            at += 1
        elif b == 0x0F and (source[at + 1] & 0xF0) == 0x80:
            at += 2
        else:
            at += 1
            continue
        if at + 4 > size:
            break
        if references.field32(source, piece, at, task, (origin + at + 4) & _MASK64, (landing + at + 4) & _MASK64):
            at += 4


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_aarch64(
    references: References,
    source: cython.p_const_uchar,
    piece: cython.p_uchar,
    size: cython.Py_ssize_t,
    pages: cython.p_ulonglong,
    task: cython.int,
    origin: cython.ulonglong,
    landing: cython.ulonglong,
) -> cython.void:
    """Arm Architecture Reference Manual, C4.1 and C6.2: branches and literals, ADR, and ADRP with what uses it."""
    at: cython.Py_ssize_t = (4 - origin % 4) % 4
    i: cython.int
    there: cython.ulonglong
    here: cython.ulonglong
    address: cython.ulonglong
    went: cython.ulonglong
    word: cython.ulonglong
    other: cython.ulonglong
    bits: cython.int
    place: cython.int
    scale: cython.int
    register: cython.Py_ssize_t
    for i in range(64):
        pages[i] = 0
    # In bounds: at + 4 <= size wherever a word is read or written; a register has 5 bits, and 32 more entries hold
    # the pages of the target.
    while at + 4 <= size:
        word = load32(source, at)
        other = load32(piece, at)
        there = (origin + at) & _MASK64
        here = (landing + at) & _MASK64
        bits = 0
        place = 5
        if (word & 0x7C000000) == 0x14000000:  # B, BL
            bits, place = 26, 0
        elif (
            word >> 24 == 0x54  # B.cond
            or (word & 0x7E000000) == 0x34000000  # CBZ, CBNZ
            or (word & 0x3B000000) == 0x18000000  # LDR of a literal
        ):
            bits = 19
        elif (word & 0x7E000000) == 0x36000000:  # TBZ, TBNZ
            bits = 14
        if bits:
            address = (there + _signed(word >> place, bits) * 4) & _MASK64
            if references.valid(address):
                if task == _LEARN:
                    references.learn(address, (here + _signed(other >> place, bits) * 4) & _MASK64)
                else:
                    went = (references.map(address) - (here if task == _PREDICT else 0)) & _MASK64
                    store32(piece, at, _with_field(word, went >> 2, bits, place))
        elif (word & 0x1F000000) == 0x10000000:  # ADR, ADRP
            _page(references, source, piece, size, pages, at, task, there, here)
        else:
            scale = _offset_scale(word)
            register = (word >> 5) & 31
            if scale >= 0 and pages[register]:
                address = (pages[register] + (((word >> 10) & 0xFFF) << scale)) & _MASK64
                if references.valid(address):
                    if task == _LEARN:
                        went = (pages[32 + register] + (((other >> 10) & 0xFFF) << scale)) & _MASK64
                        references.learn(address, went)
                    else:
                        went = references.map(address) & 0xFFF
                        if went & ((cython.cast(cython.ulonglong, 1) << scale) - 1) == 0:
                            store32(piece, at, _with_field(word, went >> scale, 12, 10))
            pages[word & 31] = 0
        at += 4


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _page(
    references: References,
    source: cython.p_const_uchar,
    piece: cython.p_uchar,
    size: cython.Py_ssize_t,
    pages: cython.p_ulonglong,
    at: cython.Py_ssize_t,
    task: cython.int,
    there: cython.ulonglong,
    here: cython.ulonglong,
) -> cython.void:
    """Carry out the task for an ADR or ADRP at `at`: the next word that adds an offset to its page says what is
    meant.
    """
    word: cython.ulonglong = load32(source, at)
    other: cython.ulonglong = load32(piece, at)
    value: cython.ulonglong = _signed((word >> 5 & 0x7FFFF) << 2 | (word >> 29 & 3), 21)
    found: cython.ulonglong = _signed((other >> 5 & 0x7FFFF) << 2 | (other >> 29 & 3), 21)
    register: cython.Py_ssize_t = word & 31
    address: cython.ulonglong
    went: cython.ulonglong
    follower: cython.ulonglong
    i: cython.Py_ssize_t
    scale: cython.int
    if word >> 31 == 0:
        address = (there + value) & _MASK64
        pages[register] = 0
        if not references.valid(address):
            return
        if task == _LEARN:
            references.learn(address, (here + found) & _MASK64)
            return
        went = (references.map(address) - (here if task == _PREDICT else 0)) & _MASK64
    else:
        address = ((there & ~_PAGE) + (value << 12)) & _MASK64
        pages[register] = address
        pages[32 + register] = ((here & ~_PAGE) + (found << 12)) & _MASK64
        if task == _LEARN:
            return
        # In bounds: i + 4 <= size.
        i = at + 4
        while i + 4 <= size and i <= at + _FOLLOWERS:
            follower = load32(source, i)
            scale = _offset_scale(follower)
            if scale >= 0 and (follower >> 5 & 31) == cython.cast(cython.ulonglong, register):
                address = (address + ((follower >> 10 & 0xFFF) << scale)) & _MASK64
                break
            i += 4
        if not references.valid(address):
            return
        went = references.map(address) >> 12
        if task == _PREDICT:
            went = (went - (here >> 12)) & _MASK64
    word = word & _OUTSIDE_PAGE | (went >> 2 & 0x7FFFF) << 5 | (went & 3) << 29
    store32(piece, at, word)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _signed(value: cython.ulonglong, bits: cython.int) -> cython.ulonglong:
    """Return the lowest `bits` bits as a signed number modulo 2**64."""
    sign: cython.ulonglong = cython.cast(cython.ulonglong, 1) << (bits - 1)
    return (((value & (2 * sign - 1)) ^ sign) - sign) & _MASK64


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _with_field(
    word: cython.ulonglong, value: cython.ulonglong, bits: cython.int, place: cython.int
) -> cython.ulonglong:
    mask: cython.ulonglong = (cython.cast(cython.ulonglong, 1) << bits) - 1
    return word & ~(mask << place) | (value & mask) << place


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _offset_scale(word: cython.ulonglong) -> cython.int:
    """Return by how many bits the 12-bit offset of an ADD, load or store is shifted; -1 if it is none of them."""
    if word >> 22 == 0x244:  # ADD of an immediate, not shifted
        return 0
    if (word & 0x3B000000) == 0x39000000:
        # 16 bytes if the size is 0, opc is 2 or 3, and V is set; else the size says it.
        return 4 if (word >> 23 & 0x189) == 9 else cython.cast(cython.int, word >> 30)
    return -1
