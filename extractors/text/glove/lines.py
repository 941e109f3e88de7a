"""Lines of text, a word and its numbers in each, as words and arrays.

The releases hold lines that a plain split breaks on; see `read_lines` for what becomes of each.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import FloatArray

Batch = tuple[list[bytes], FloatArray]
# A line of 4096 numbers of 25 characters has 100 kB.
MAX_LINE_BYTES = 1 << 20


class LongLineError(ValueError):
    """A line is longer than any word with its numbers."""


def split_lines(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of a text, in blocks; only a line feed ends a line.

    Raises
    ------
    LongLineError
        If a line is longer than `MAX_LINE_BYTES`.
    """
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise LongLineError
        yield lines
    if rest:
        yield [rest]


def cut_line(line: bytes, dim: int) -> tuple[bytes, bytes] | None:
    """Return the word and its ``dim`` numbers, one space between them, or None.

    The numbers are the last ``dim`` fields: the 840B release has words with spaces in them
    (``. . .``, ``at name@domain.com``).
    """
    line = line.rstrip(b" \r\t")
    if line.count(b" ") == dim:
        word, _, numbers = line.partition(b" ")
    else:
        word, numbers = _cut_odd(line, dim)
    return (word, numbers) if word and numbers else None


def _cut_odd(line: bytes, dim: int) -> tuple[bytes, bytes]:
    fields = line.rsplit(b" ", dim)
    if len(fields) <= dim or b"" in fields[1:]:
        # Tabs, or more than one space between numbers.
        fields = line.split()
        fields = [b" ".join(fields[: len(fields) - dim]), *fields[len(fields) - dim :]]
    if len(fields) != dim + 1:
        return b"", b""
    return fields[0], b" ".join(fields[1:])


class NumberReader:
    """Reads blocks of decimal numbers, each exactly as ``float`` does, rounded to float32."""

    def __init__(self, dim: int) -> None:
        arrow = require("pyarrow", feature="reading tables of word vectors")
        csv = require("pyarrow.csv", feature="reading tables of word vectors")
        self._dim = dim
        self._csv, self._bad = csv, arrow.ArrowInvalid
        names = [str(column) for column in range(dim)]
        self._parse = csv.ParseOptions(
            delimiter=" ", quote_char=False, escape_char=False, ignore_empty_lines=False
        )
        # float64 first: rounding once from the decimal to float32 differs in rare last bits.
        self._convert = csv.ConvertOptions(
            column_types=dict.fromkeys(names, arrow.float64()), null_values=[], check_utf8=False
        )
        self._names = names

    def read(self, rows: list[bytes]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return float32 [len(rows), dim] and which rows hold nothing but finite numbers."""
        values = self._fast(rows)
        if values is None:
            values = np.full((len(rows), self._dim), np.nan, dtype=np.float32)
            for row, numbers in enumerate(rows):
                with np.errstate(over="ignore"):
                    values[row] = _slow(numbers, self._dim)
        return values, np.isfinite(values).all(axis=1)

    def _fast(self, rows: list[bytes]) -> FloatArray | None:
        block = b"\n".join(rows) + b"\n"
        options = self._csv.ReadOptions(
            column_names=self._names, use_threads=False, block_size=len(block) + 1
        )
        try:
            table: Any = self._csv.read_csv(io.BytesIO(block), options, self._parse, self._convert)
        except self._bad:
            return None
        if table.num_rows != len(rows):
            return None
        values = np.empty((len(rows), self._dim), dtype=np.float32)
        with np.errstate(over="ignore"):
            for column in range(self._dim):
                values[:, column] = table.column(column).to_numpy()
        return values


def _slow(numbers: bytes, dim: int) -> npt.NDArray[np.float64]:
    try:
        # Python reads 1_0 as 10.
        found = [float(field) for field in numbers.split() if b"_" not in field]
    except ValueError:
        found = []
    return np.array(found if len(found) == dim else [np.nan] * dim)


def read_lines(blocks: Iterable[bytes], dim: int, counts: Counter[str]) -> Iterator[Batch]:
    """Yield words and their vectors.

    Parameters
    ----------
    blocks : iterable of bytes
        The text, without a header.
    dim : int
        Numbers in a line.
    counts : Counter
        Is added to: ``lines``, of these ``spaced`` (kept, the word has spaces in it), and what is
        left out: ``blank``, ``fields`` (no word before ``dim`` fields), ``numbers`` (one is none,
        or not finite), ``utf8`` (the word is no UTF-8, hence no text can ask for it).

    Yields
    ------
    words : list of bytes
    vectors : float32 [len(words), dim]
    """
    reader = NumberReader(dim)
    for lines in split_lines(blocks):
        words: list[bytes] = []
        rows: list[bytes] = []
        counts["lines"] += len(lines)
        for line in lines:
            cut = cut_line(line, dim)
            if cut is None:
                counts["blank" if not line.strip() else "fields"] += 1
            elif not is_text(cut[0]):
                counts["utf8"] += 1
            else:
                words.append(cut[0])
                rows.append(cut[1])
        if not words:
            continue
        vectors, sound = reader.read(rows)
        if not sound.all():
            counts["numbers"] += int((~sound).sum())
            words = [word for word, good in zip(words, sound, strict=True) if good]
            vectors = vectors[sound]
        counts["spaced"] += sum(b" " in word for word in words)
        yield words, vectors


def is_text(word: bytes) -> bool:
    """Whether a word is UTF-8."""
    try:
        return word.isascii() or bool(word.decode())
    except UnicodeDecodeError:
        return False
