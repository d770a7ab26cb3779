"""Keeps stdin and stdout for messages alone, whatever a library prints or reads."""

import os
import sys
from typing import BinaryIO


def private_stdout() -> BinaryIO:
    """A copy of stdout that only the caller knows; from here on every other write to it goes to stderr."""
    sys.stdout.flush()
    copy = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return copy


def private_stdin() -> BinaryIO:
    """A copy of stdin that only the caller knows; everybody else reads an empty file.

    Otherwise a program that a library starts could eat a message, and on Windows a library that is loaded
    while a thread waits on a piped stdin hangs: its C runtime asks what kind of file stdin is.
    """
    copy = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return copy
