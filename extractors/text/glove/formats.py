"""The formats of tables of word vectors: GloVe's text, word2vec's text and binary.

GloVe (Pennington et al. 2014) writes a line a word and nothing else. word2vec (Mikolov et al. 2013)
begins with a line of two numbers, how many words and how many columns, and goes on as text or, in
its binary form, with each word, a space, and little-endian float32; some writers add a line feed.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from affect_pipe.extractors.text.glove.files import Stream, TableFile
from affect_pipe.extractors.text.glove.lines import (
    Batch,
    LongLineError,
    cut_line,
    is_text,
    read_lines,
)
from affect_pipe.pipeline.errors import UsageError

_BLOCK_BYTES = 1 << 22
_HEAD_BYTES = 1 << 20
_HEADER = re.compile(rb"([0-9]{1,12}) ([0-9]{1,5})[ \r\t]*\n")
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_MAX_WORD_BYTES = 1 << 16
_MAX_DIM = 16384


@dataclass(frozen=True)
class Layout:
    """How a table is written.

    Attributes
    ----------
    dim : int
        Columns.
    n_words : int or None
        How many words its header announces; None where it has none.
    header_bytes : int
        Length of the header.
    binary : bool
        Whether numbers are float32 rather than text.
    """

    dim: int
    n_words: int | None = None
    header_bytes: int = 0
    binary: bool = False


def sniff(head: bytes, at: TableFile, dim: int | None = None) -> Layout:
    """Tell the layout of a table from its first bytes.

    Parameters
    ----------
    head : bytes
        Up to a megabyte.
    at : TableFile
        For messages.
    dim : int, optional
        The columns it should have, where its name says so.

    Raises
    ------
    UsageError
        If it is no table, or has other columns than it should have.
    """
    match = _HEADER.match(head)
    lines = head[match.end() if match else 0 :].split(b"\n")
    # The last line may be cut.
    lines = lines[:-1] if len(head) >= _HEAD_BYTES and len(lines) > 1 else lines
    some = [line for line in lines[:100] if line.strip()]
    if match is not None and 0 < int(match[2]) <= _MAX_DIM:
        n_words, found = int(match[1]), int(match[2])
        text = any(_is_row(line, found) for line in some[:20])
        # "5 7" can be a word and its only number.
        if text or not any(_is_row(line, 1) for line in some[:2]):
            return _fitting(Layout(found, n_words, match.end(), not text), dim, at)
    fields = Counter(len(line.split(b" ")) - 1 for line in (row.rstrip() for row in some))
    # The commonest number of fields: some words have spaces in them.
    found = min(fields, key=lambda n: (-fields[n], n), default=0)
    if not 0 < found <= _MAX_DIM or not any(_is_row(line, found) for line in some):
        raise UsageError(
            f"{at} is no table of word vectors: expected lines of a word and numbers as GloVe "
            "writes them, or the text or binary form of word2vec."
        )
    return _fitting(Layout(found), dim, at)


def _fitting(layout: Layout, dim: int | None, at: TableFile) -> Layout:
    if dim is not None and layout.dim != dim:
        raise UsageError(f"{at} has {layout.dim} columns, not the {dim} its name says.")
    return layout


def _is_row(line: bytes, dim: int) -> bool:
    cut = cut_line(line, dim)
    return cut is not None and all(_NUMBER.fullmatch(field) for field in cut[1].split(b" "))


def read_head(stream: Stream) -> bytes:
    """Return the first megabyte, less only where there is no more."""
    return _read(stream, _HEAD_BYTES)


def read_table(
    stream: Stream, head: bytes, layout: Layout, at: TableFile, counts: Counter[str]
) -> Iterator[Batch]:
    """Yield words and their vectors in the order of the file, in batches of a few megabytes.

    Parameters
    ----------
    stream : Stream
        What follows ``head``.
    counts : Counter
        Is added to; see `read_lines`.

    Raises
    ------
    UsageError
        If the file ends before all words it announces, or a line is endless.
    """
    blocks = itertools.chain(
        [head[layout.header_bytes :]], iter(lambda: _read(stream, _BLOCK_BYTES), b"")
    )
    try:
        if layout.binary:
            yield from _read_binary(blocks, layout, counts)
        else:
            yield from read_lines(blocks, layout.dim, counts)
    except LongLineError as error:
        raise UsageError(f"{at} is no table of word vectors: it has an endless line.") from error
    announced, read = layout.n_words, counts["lines"] - counts["blank"]
    if announced is not None and read < announced:
        raise UsageError(f"{at} announces {announced} words and ends after {read}: fetch it again.")


def _read_binary(blocks: Iterator[bytes], layout: Layout, counts: Counter[str]) -> Iterator[Batch]:
    size = 4 * layout.dim
    left = layout.n_words or 0
    buffer = b""
    for block in blocks:
        buffer += block
        at, words, rows = 0, [], []
        while left:
            space = buffer.find(b" ", at, at + _MAX_WORD_BYTES)
            if space < 0 and len(buffer) - at >= _MAX_WORD_BYTES:
                raise LongLineError
            if space < 0 or space + 1 + size > len(buffer):
                break
            word = buffer[at:space].lstrip(b"\n")
            at, left = space + 1 + size, left - 1
            counts["lines"] += 1
            if not word:
                counts["fields"] += 1
            elif not is_text(word):
                counts["utf8"] += 1
            else:
                words.append(word)
                rows.append(buffer[space + 1 : at])
        buffer = buffer[at:]
        if words:
            vectors = np.frombuffer(b"".join(rows), dtype="<f4").reshape(-1, layout.dim)
            sound = np.isfinite(vectors).all(axis=1)
            counts["numbers"] += int((~sound).sum())
            kept = [word for word, good in zip(words, sound, strict=True) if good]
            yield kept, vectors[sound].astype(np.float32, copy=False)
        if not left:
            return


def _read(stream: Stream, size: int) -> bytes:
    """Return ``size`` bytes, fewer only at the end: raw files may give less at a time."""
    parts, left = [], size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
