"""The bytes of one cache entry: a safetensors file whose header carries checksums.

Written and read here, not by the safetensors library, for three reasons: arrays are written from
where they lie and read as views of the bytes, so a large entry is in memory once; the file is
read, not mapped, so another process that cuts it short gives a checksum error, not a crash; and
the header comes out the same every time. Any safetensors reader opens the files.

Layout (https://huggingface.co/docs/safetensors, "Format"): 8 bytes little-endian header length, a
JSON header ``{name: {dtype, shape, data_offsets}, "__metadata__": {text: text}}`` padded with
spaces, then the arrays, contiguous.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.fingerprint import canonical_json, digest_bytes, digest_json
from affect_pipe.pipeline.storage import Readable

ENTRY_FORMAT = 1
_ENVELOPE = "affect_pipe_cache"
_MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors format
_DTYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}

Array = npt.NDArray[Any]


class DamagedEntryError(Exception):
    """The bytes are not those that were written."""


class OtherFormatError(Exception):
    """The entry was written by a version of this package that lays entries out differently."""


@dataclass(frozen=True)
class Header:
    """What an entry's header says, its checksum verified, its arrays not."""

    key: str
    stage: str
    media_digest: str
    meta: dict[str, Any]
    tensors: dict[str, dict[str, Any]]
    digests: dict[str, str]
    length: int


def encode(
    key: str, stage: str, media_digest: str, arrays: Mapping[str, Array], meta: Mapping[str, Any]
) -> list[bytes | memoryview]:
    """Return the chunks of an entry's file; those of the arrays are views where they can be.

    Raises
    ------
    TypeError
        For an array of objects or text, or meta that JSON cannot hold.
    ValueError
        For meta that is not finite.
    """
    # Widest first keeps every array aligned to its own width, as views need.
    order = sorted(arrays, key=lambda name: (-np.asarray(arrays[name]).itemsize, name))
    stored = {name: _storable(name, arrays[name]) for name in order}
    envelope: dict[str, Any] = {
        "format": ENTRY_FORMAT,
        "key": key,
        "stage": stage,
        "media": media_digest,
        "meta": meta,
        "arrays": {name: _digest(array) for name, array in stored.items()},
    }
    envelope["checksum"] = digest_json(envelope)
    header: dict[str, Any] = {"__metadata__": {_ENVELOPE: canonical_json(envelope)}}
    offset = 0
    for name, array in stored.items():
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    if len(text) > _MAX_HEADER_BYTES:
        raise ValueError(f"the meta of a {stage} entry takes {len(text)} bytes: store it as arrays")
    return [len(text).to_bytes(8, "little"), text, *(_bytes_of(a) for a in stored.values())]


def read_header(file: Readable) -> Header:
    """Read and verify the header of an entry, leaving ``file`` at its first array.

    Raises
    ------
    DamagedEntryError, OtherFormatError
        If the header is not sound, or of another version.
    """
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= _MAX_HEADER_BYTES:
        raise DamagedEntryError("it does not start like an entry")
    text = file.read(length)
    try:
        header = json.loads(text)
        envelope = json.loads(header.pop("__metadata__")[_ENVELOPE])
        if envelope["format"] != ENTRY_FORMAT:
            raise OtherFormatError(f"it has format {envelope['format']}")
        if envelope.pop("checksum") != digest_json(envelope):
            raise DamagedEntryError("its header does not match its checksum")
    # ValueError covers bad JSON, bad UTF-8 and numbers out of range.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedEntryError("its header cannot be read") from error
    return Header(
        envelope["key"],
        envelope["stage"],
        envelope["media"],
        envelope["meta"],
        header,
        envelope["arrays"],
        8 + length,
    )


def read_entry(file: Readable) -> tuple[Header, dict[str, Array]]:
    """Read an entry and verify every byte that matters.

    Returns
    -------
    header : Header
    arrays : dict of arrays
        Read-only views of one block of memory.

    Raises
    ------
    DamagedEntryError, OtherFormatError
        If anything is not as it was written.
    """
    header = read_header(file)
    data = file.read()
    if set(header.tensors) != set(header.digests):
        raise DamagedEntryError("its arrays are not those it lists")
    arrays = {name: _view(data, tensor) for name, tensor in header.tensors.items()}
    if not _covered(header.tensors, len(data)):
        raise DamagedEntryError("it holds bytes that belong to none of its arrays")
    for name, array in arrays.items():
        if _digest(array) != header.digests[name]:
            raise DamagedEntryError(f"its array {name!r} does not match its checksum")
    return header, arrays


def _covered(tensors: Mapping[str, Mapping[str, Any]], n_bytes: int) -> bool:
    """Whether the arrays lie one after another from the first byte to the last, as written."""
    reached = 0
    for start, stop in sorted(tuple(tensor["data_offsets"]) for tensor in tensors.values()):
        if start != reached:
            return False
        reached = stop
    return reached == n_bytes


def _view(data: bytes, tensor: Mapping[str, Any]) -> Array:
    """Return one array of the data section; its shape and offsets are not yet trusted."""
    try:
        dtype = np.dtype(_DTYPES[tensor["dtype"]])
        shape = tuple(tensor["shape"])
        start, stop = tensor["data_offsets"]
        count = math.prod(shape)
        fits = 0 <= start <= stop <= len(data) and stop - start == count * dtype.itemsize
        if not fits or min(shape, default=0) < 0:
            raise ValueError("an array reaches beyond the file")
        return np.frombuffer(data, dtype, count, start).reshape(shape)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DamagedEntryError("it was cut short, or its header is wrong") from error


def _storable(name: str, array: Array) -> Array:
    """Return the array in memory order and little-endian."""
    # A zero-dimensional array passed through most NumPy functions comes back as a scalar.
    array = np.asarray(array, order="C")
    array = np.asarray(array, dtype=array.dtype.newbyteorder("<"))
    if array.dtype not in _NAMES or name == "__metadata__":
        raise TypeError(f"the cache cannot hold the array {name!r} of {array.dtype}")
    return array


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def digest_array(name: str, array: Array) -> str:
    """Return the digest of an array's type, shape and values; ``name`` names it in errors.

    Raises
    ------
    TypeError
        For an array the cache cannot hold.
    """
    return _digest(_storable(name, array))


def _digest(array: Array) -> str:
    """Return the digest of a storable array's type, shape and bytes."""
    described = f"{_NAMES[array.dtype]}{list(array.shape)}".encode("ascii")
    return digest_bytes(described, _bytes_of(array))
