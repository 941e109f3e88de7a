"""A table of word vectors as one file that is mapped into memory, never read whole.

The file is a safetensors file: ``vectors`` float32 [n_rows, dim] in the order of the source;
``hashes`` uint64 [n_words], sorted, and ``rows`` int64 [n_words], the row of each; ``starts`` int64
[n_rows + 1] and ``words`` uint8, the bytes of each row's word. A look-up is a binary search among
the hashes and a comparison of bytes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.text.glove.lines import Batch
from affect_pipe.pipeline.atomic import atomic_open
from affect_pipe.pipeline.records import FloatArray

TABLE_FORMAT = "affect-pipe word table 1"
# A word takes some 60 bytes of memory while its table is written, whatever the columns.
MAX_WORDS = 20_000_000
# Room for the header, which is known only when everything else is written.
_DATA_AT = 4096
_TYPES = {"F32": "<f4", "I64": "<i8", "U64": "<u8", "U8": "<u1"}
Rows = npt.NDArray[np.int64]


class DamagedTableError(ValueError):
    """A file is no table of this format, or not all of it."""


class TableSizeError(ValueError):
    """A source has no words, or more than any language."""


class WordTable:
    """A table on the disk.

    Raises
    ------
    DamagedTableError
        If the file is not a whole table.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        arrays, meta = _map(path)
        try:
            self._vectors, self._hashes = arrays["vectors"], arrays["hashes"]
            self._rows, self._starts, self._words = (
                arrays["rows"],
                arrays["starts"],
                arrays["words"],
            )
            self.counts: Mapping[str, int] = dict(json.loads(meta["counts"]))
        except (KeyError, ValueError) as error:
            raise DamagedTableError(f"it lacks {error}") from error
        shapes_agree = (
            self._vectors.ndim == 2
            and self._starts.shape == (len(self._vectors) + 1,)
            and self._hashes.shape == self._rows.shape
        )
        if not shapes_agree:
            raise DamagedTableError("its shapes do not agree")

    def __repr__(self) -> str:
        return f"WordTable({len(self)} words, dim={self.dim})"

    def __reduce__(self) -> tuple[type[WordTable], tuple[Path]]:
        """Travel to another process as a path: a mapped array would go as its bytes."""
        return WordTable, (self.path,)

    def __len__(self) -> int:
        """Return how many different words there are."""
        return len(self._hashes)

    @property
    def dim(self) -> int:
        """Columns."""
        return int(self._vectors.shape[1])

    def find(self, words: Sequence[str]) -> Rows:
        """Return int64 [len(words)], the row of each word, -1 where the table lacks it."""
        keys = [word.encode("utf-8", "surrogatepass") for word in words]
        hashes = np.array([_hash(key) for key in keys], dtype=np.uint64)
        at = np.searchsorted(self._hashes, hashes)
        return np.array(
            [self._match(int(i), h, key) for i, h, key in zip(at, hashes, keys, strict=True)],
            dtype=np.int64,
        )

    def vectors(self, rows: Rows) -> FloatArray:
        """Return float32 [len(rows), dim]."""
        return np.asarray(self._vectors[rows], dtype=np.float32)

    def word(self, row: int) -> str:
        """Return the word of a row."""
        return self._bytes(row).decode()

    def _match(self, at: int, wanted: np.uint64, key: bytes) -> int:
        while at < len(self._hashes) and self._hashes[at] == wanted:
            row = int(self._rows[at])
            if self._bytes(row) == key:
                return row
            at += 1
        return -1

    def _bytes(self, row: int) -> bytes:
        return bytes(self._words[self._starts[row] : self._starts[row + 1]])


def write_table(
    path: Path, batches: Iterable[Batch], dim: int, counts: Counter[str], about: str
) -> None:
    """Write a table; vectors go to the disk as they come, only the words stay in memory.

    Of a word that comes more than once the first vector is kept.

    Parameters
    ----------
    counts : Counter
        Kept with the table when all batches have come; ``duplicates`` and ``words`` are added.
    about : str
        Where the table comes from.

    Raises
    ------
    TableSizeError
        If there are no words, or more than `MAX_WORDS`.
    OSError
        As `atomic_open`.
    """
    words, starts, hashes = bytearray(), array("q", [0]), array("Q")
    with atomic_open(path) as file:
        file.write(bytes(_DATA_AT))
        for names, vectors in batches:
            file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
            if len(hashes) + len(names) > MAX_WORDS:
                raise TableSizeError(f"it has more than {MAX_WORDS} words")
            for name in names:
                words += name
                starts.append(len(words))
                hashes.append(_hash(name))
        n_rows = len(hashes)
        if not n_rows:
            raise TableSizeError("no line of it is a word and as many numbers as there are columns")
        # What follows is read eight bytes at a time.
        n_pad = -(n_rows * dim * 4) % 8
        file.write(bytes(n_pad))
        sorted_hashes, rows = _index(np.frombuffer(hashes, np.uint64), words, starts)
        counts["duplicates"] += n_rows - len(rows)
        counts["words"] += len(rows)
        parts: list[tuple[str, npt.NDArray[Any]]] = [
            ("hashes", sorted_hashes.astype("<u8", copy=False)),
            ("rows", rows.astype("<i8", copy=False)),
            ("starts", np.frombuffer(starts, np.int64).astype("<i8", copy=False)),
            ("words", np.frombuffer(words, np.uint8)),
        ]
        described: dict[str, Any] = {
            "__metadata__": {
                "format": TABLE_FORMAT,
                "source": about,
                "counts": json.dumps(dict(sorted(counts.items()))),
            },
            "vectors": _described("F32", (n_rows, dim), 0, n_rows * dim * 4),
            "pad": _described("U8", (n_pad,), n_rows * dim * 4, n_pad),
        }
        offset = n_rows * dim * 4 + n_pad
        for part, values in parts:
            file.write(values.data)
            kind = next(k for k, dtype in _TYPES.items() if np.dtype(dtype) == values.dtype)
            described[part] = _described(kind, values.shape, offset, values.nbytes)
            offset += values.nbytes
        _write_header(file, described)


def _described(kind: str, shape: Sequence[int], offset: int, size: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [offset, offset + size]}


def _write_header(file: BinaryIO, described: Mapping[str, Any]) -> None:
    text = json.dumps(described, separators=(",", ":")).encode("ascii")
    size = _DATA_AT - 8
    file.seek(0)
    file.write(size.to_bytes(8, "little") + text.ljust(size))


def _hash(word: bytes) -> int:
    digest = hashlib.blake2b(word, digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _index(
    hashes: npt.NDArray[np.uint64], words: bytearray, starts: array[int]
) -> tuple[npt.NDArray[np.uint64], Rows]:
    """Return the sorted hashes and their rows, without rows whose word came before."""
    rows = np.argsort(hashes, kind="stable")
    ordered = hashes[rows]
    dead: list[int] = []
    seen: set[bytes] = set()
    last = -1
    # Runs of one hash are words that come again, or, once in a lifetime, two different words.
    for at in (np.flatnonzero(ordered[1:] == ordered[:-1]) + 1).tolist():
        if at - 1 != last:
            seen = {_word(words, starts, int(rows[at - 1]))}
        word = _word(words, starts, int(rows[at]))
        if word in seen:
            dead.append(at)
        seen.add(word)
        last = at
    if dead:
        ordered, rows = np.delete(ordered, dead), np.delete(rows, dead)
    return ordered, rows


def _word(words: bytearray, starts: array[int], row: int) -> bytes:
    return bytes(words[starts[row] : starts[row + 1]])


def _map(path: Path) -> tuple[dict[str, npt.NDArray[Any]], Mapping[str, str]]:
    """Map a safetensors file: read-only arrays whose bytes stay on the disk until touched."""
    if sys.byteorder != "little":
        raise DamagedTableError("this machine is big-endian, which tables are not made for")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size, 1 << 16):
            raise DamagedTableError("it has no header")
        try:
            header = json.loads(file.read(length))
            meta = header.pop("__metadata__")
            if meta["format"] != TABLE_FORMAT:
                raise DamagedTableError(f"it is {meta['format']!r}")
            end = 8 + length + max(item["data_offsets"][1] for item in header.values())
            if end != size:
                raise DamagedTableError(f"it has {size} bytes, not {end}")
            whole = np.memmap(path, dtype=np.uint8, mode="r")
            arrays = {
                name: whole[8 + length + item["data_offsets"][0] :][
                    : item["data_offsets"][1] - item["data_offsets"][0]
                ]
                .view(_TYPES[item["dtype"]])
                .reshape(item["shape"])
                for name, item in header.items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, DamagedTableError):
                raise
            raise DamagedTableError(f"its header cannot be read ({error})") from error
    return arrays, meta
