"""Giving back the memory of a mapped file between two readings.

Long sound is mapped from a file (`waveform.read_audio`). What was read of it stays in this
process's memory until the system wants it back, hundreds of megabytes of a long recording, though
no more than a sentence of it is needed at a time.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")


def let_go(array: npt.NDArray[Any]) -> None:
    """Give back the memory of a read-only array that is mapped from a file; else do nothing.

    Nothing changes but that: the array, and every view of it, can be read on.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    # What was changed in a private map would be lost.
    if isinstance(owner, mmap.mmap) and not array.flags.writeable:
        advice = getattr(mmap, "MADV_DONTNEED", None)
        with suppress(OSError, ValueError):
            if advice is not None:
                owner.madvise(advice)


def letting_go(array: npt.NDArray[Any], parts: Iterable[T]) -> Iterator[T]:
    """Yield the parts that an array is read by; after each, `let_go` of what was read."""
    for part in parts:
        yield part
        let_go(array)
