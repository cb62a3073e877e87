"""Tables of the Java Virtual Machine Specification (JVMS), chapters 4 and 6: where class files have constants."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

MAGIC = b"\xca\xfe\xba\xbe"

UTF8, LONG, DOUBLE, HANDLE = 1, 5, 6, 15
"""Tags of constants (4.4) that differ from the others: in their sizes, in the numbers they take, in what they begin
with.
"""
NO_TAG = 255
SIZES = array("B", bytes(256))
"""Bytes of a constant after its tag, by the tag; for UTF8 those before its content."""
ROUNDS = array("B", [NO_TAG]) * 256
"""After how many rounds all that a constant names has a label, by the tag; `NO_TAG` if there is no such constant."""
NAMED = array("B", bytes(256))
"""How many constants it names, in its last bytes. The first number of a dynamic one is of another table."""
LOADED = array("B", bytes(256))
"""Whether the instruction `ldc` may load it, which has one byte for its number."""
for _tags, _round, _size, _named in (
    ((1,), 0, 2, 0),
    ((3, 4), 0, 4, 0),
    ((5, 6), 0, 8, 0),
    ((7, 8, 16, 19, 20), 1, 2, 1),
    ((12,), 1, 4, 2),
    ((9, 10, 11), 2, 4, 2),
    ((17, 18), 2, 4, 1),
    ((15,), 3, 3, 1),
):
    for _tag in _tags:
        SIZES[_tag], ROUNDS[_tag], NAMED[_tag] = _size, _round, _named
for _tag in (3, 4, 7, 8, 15, 16, 17):
    LOADED[_tag] = 1
ALL_ROUNDS = 4

LENGTHS = array("B", bytes(256))
"""Bytes of an instruction, by its first one (6.5); 0 if they vary, or if there is no such instruction."""
OPERANDS = array("B", bytes(256))
"""Bytes of the number of a constant that follow the first one."""
for _opcodes, _size, _operand in (
    (range(202), 1, 0),
    ((16, 188, *range(21, 26), *range(54, 59), 169), 2, 0),
    ((17, 132, *range(153, 169), 198, 199), 3, 0),
    ((200, 201), 5, 0),
    ((170, 171, 196), 0, 0),
    ((18,), 2, 1),
    ((19, 20, *range(178, 185), 187, 189, 192, 193), 3, 2),
    ((185, 186), 5, 2),
    ((197,), 4, 2),
):
    for _opcode in _opcodes:
        LENGTHS[_opcode], OPERANDS[_opcode] = _size, _operand
TABLESWITCH, LOOKUPSWITCH, WIDE, IINC = 170, 171, 196, 132

FIELDS, LIST, SHORT_LIST, LINES, CODE, RECORD, FRAMES, METHODS, ANNOTATIONS, PARAMETERS, VALUE = range(11)
"""What an attribute holds: fields, a list of such, counted by two bytes or one, or what is gone through otherwise."""
ATTRIBUTES: Mapping[bytes, bytes] = {
    b"ConstantValue": bytes([FIELDS, 1]),
    b"Signature": bytes([FIELDS, 1]),
    b"SourceFile": bytes([FIELDS, 1]),
    b"NestHost": bytes([FIELDS, 1]),
    b"EnclosingMethod": bytes([FIELDS, 1, 1]),
    b"Exceptions": bytes([LIST, 1]),
    b"NestMembers": bytes([LIST, 1]),
    b"PermittedSubclasses": bytes([LIST, 1]),
    b"InnerClasses": bytes([LIST, 1, 1, 1, 0]),
    b"LocalVariableTable": bytes([LIST, 0, 0, 1, 1, 0]),
    b"LocalVariableTypeTable": bytes([LIST, 0, 0, 1, 1, 0]),
    b"MethodParameters": bytes([SHORT_LIST, 1, 0]),
    b"LineNumberTable": bytes([LINES]),
    b"Code": bytes([CODE]),
    b"Record": bytes([RECORD]),
    b"StackMapTable": bytes([FRAMES]),
    b"BootstrapMethods": bytes([METHODS]),
    b"RuntimeVisibleAnnotations": bytes([ANNOTATIONS]),
    b"RuntimeInvisibleAnnotations": bytes([ANNOTATIONS]),
    b"RuntimeVisibleParameterAnnotations": bytes([PARAMETERS]),
    b"RuntimeInvisibleParameterAnnotations": bytes([PARAMETERS]),
    b"AnnotationDefault": bytes([VALUE]),
}
"""By name (4.7), what it holds and its fields, of two bytes each: 1 for the number of a constant, 0 for others."""
ENUM, ANNOTATION, ARRAY = b"e@["
"""Tags of values of annotations (4.7.16.1) that hold something else than the number of one constant."""
MAX_VALUES = 16
"""Depth of values of annotations in one another; compilers write three at most."""
