"""Errors: a class for each exit code, and what is put in front of their messages."""

from __future__ import annotations

import errno
import os
from inspect import isclass

import pytest

from airpatch import errors
from airpatch.errors import AirpatchError, FormatError, TargetError, UsageError, located, unreadable


def test_each_class_has_an_exit_code_of_its_own() -> None:
    classes = [each for each in vars(errors).values() if isclass(each) and issubclass(each, AirpatchError)]
    codes = [each.exit_code for each in classes if each is not AirpatchError]
    assert sorted(codes) == [2, 3, 4, 5, 6, 7, 8]


def test_a_place_is_put_in_front_once() -> None:
    with pytest.raises(FormatError, match=r"^bundle: is cut short$"), located("bundle"), located("bundle"):
        raise FormatError("is cut short")


def test_other_errors_keep_their_message() -> None:
    with pytest.raises(TargetError, match=r"^no space$"), located("bundle"):
        raise TargetError("no space")


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOENT, UsageError), (errno.ENOTDIR, UsageError), (errno.EACCES, TargetError)]
)
def test_a_file_that_cannot_be_read_is_the_fault_of_whoever_named_it_or_of_the_host(
    code: int, kind: type[AirpatchError]
) -> None:
    error = unreadable("file", OSError(code, os.strerror(code)))
    assert type(error) is kind
    assert error.message == f"file: cannot be read: {os.strerror(code)}"
