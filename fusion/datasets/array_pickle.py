"""Pickles from strangers: numpy arrays in plain containers, and nothing that runs.

Unpickling calls whatever the file names, so here it may name six things, and gets stand-ins for
them. Not even numpy's own code sees the file: its ``dtype.__setstate__`` takes flags from the
pickle that make bytes pass for object pointers. The stand-ins write down what the file says of an
array, check it, and build the array from its bytes.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.datasets.files import CorpusError, existing

# MMSA's largest file, unaligned MOSEI, has 14 GB.
MAX_PICKLE_BYTES = 32 * 2**30
MAX_DIMENSIONS = 8
# Far above MMSA's some thousand; each holds a place in memory.
MAX_OPCODES = 50_000_000
_KINDS = "biufSU"
_PLAIN = (str, bytes, int, float, bool, type(None))
# Opcodes that fetch something without naming it; all that name go through `find_class`.
_REFUSED = re.compile("(BIN)?PERSID|EXT[124]|NEXT_BUFFER|READONLY_BUFFER")
_CONTAINERS: dict[str, type] = {
    "set": set,
    "frozenset": frozenset,
    "bytes": bytes,
    "bytearray": bytearray,
    "list": list,
    "dict": dict,
    "tuple": tuple,
}


class _RefusedError(ValueError):
    """The file names something that is not admitted."""


class _Admitted:
    """A callable that a pickle may call and cannot change."""

    __slots__ = ("_call", "_name")
    _call: Callable[..., Any]
    _name: str

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise _RefusedError(f"a change of {self._name}")

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError(f"a change of {self._name}")


class _Dtype:
    """What a pickle says of a dtype: a code such as ``f4`` and a byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_align_copy: Any) -> None:
        self.code = code
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise _RefusedError("a dtype of unknown form")
        if any(part is not None for part in state[2:5]):
            raise _RefusedError("a dtype with fields")
        self.order = state[1]

    @property
    def is_object(self) -> bool:
        return bool(self.code in ("O", "O8"))

    def real(self) -> np.dtype[Any]:
        """Build the dtype, from its code alone."""
        code = self.code
        known = isinstance(code, str) and code[:1] in _KINDS and code[1:].isdecimal()
        if not known or len(code) > 10:
            raise _RefusedError(f"an array of dtype {str(code)[:20]!r}")
        return np.dtype((">" if self.order == ">" else "<") + code)


class _Array:
    """What a pickle says of an array; real once its state is known."""

    __slots__ = ("values",)

    def __init__(self, *_type_shape_code: Any) -> None:
        self.values: npt.NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _RefusedError("an array of unknown form")
        _version, shape, dtype, fortran, raw = state
        self.values = _build(raw, dtype, shape, "F" if fortran else "C")


def _build(raw: Any, dtype: Any, shape: Any, order: Any) -> npt.NDArray[Any]:
    """Make an array from its bytes, or from a list where it holds text or numbers as objects."""
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple) or order not in ("C", "F"):
        raise _RefusedError("an array of unknown form")
    if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise _RefusedError(f"an array of shape {str(shape)[:60]}")
    count = math.prod(shape)
    if dtype.is_object:
        return _objects(raw, count).reshape(shape, order=order)
    kind = dtype.real()
    if isinstance(raw, str):
        # Python 2's strings, as encoding="latin1" reads them.
        raw = raw.encode("latin1")
    if not isinstance(raw, bytes | bytearray) or len(raw) != count * kind.itemsize:
        raise _RefusedError(f"an array of shape {shape} whose bytes do not fill it")
    if not count or not kind.itemsize:
        # numpy itself refuses some of these: sizes that no array of bytes could have.
        if count > MAX_OPCODES or max(shape, default=0) > MAX_OPCODES:
            raise _RefusedError(f"an array of shape {shape} without bytes")
        return np.zeros(shape, dtype=kind)
    return np.frombuffer(bytes(raw), dtype=kind, count=count).reshape(shape, order=order)


def _objects(raw: Any, count: int) -> npt.NDArray[np.object_]:
    if not isinstance(raw, list) or len(raw) != count:
        raise _RefusedError("an array of objects that are not listed")
    values = np.empty(count, dtype=np.object_)
    for index, value in enumerate(raw):
        if type(value) not in _PLAIN and not isinstance(value, np.generic):
            raise _RefusedError(f"an array of objects of type {type(value).__name__}")
        values[index] = value
    return values


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    return _build(raw, dtype, (), "C")[()]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    # How old protocols write bytes.
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _RefusedError("_codecs.encode of something else than latin1 text")
    return text.encode("latin1")


def _container(name: str, *content: Any) -> Any:
    # A number would ask for that many bytes.
    if len(content) > 1 or not all(isinstance(c, list | tuple | bytes | set) for c in content):
        raise _RefusedError(f"a {name} made of something else than data")
    return _CONTAINERS[name](*content)


class _Unpickler(pickle.Unpickler):
    """Finds the six names, under numpy 1's and numpy 2's modules."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            # As an argument alone: nothing may be made of it but by the two below.
            ("numpy", "ndarray"): "ndarray",
            ("numpy", "dtype"): _Admitted("numpy.dtype", _Dtype),
            ("_codecs", "encode"): _Admitted("_codecs.encode", _encode),
        }
        for core in ("numpy.core", "numpy._core"):
            known[core + ".multiarray", "_reconstruct"] = _Admitted("numpy._reconstruct", _Array)
            known[core + ".multiarray", "scalar"] = _Admitted("numpy.scalar", _scalar)
            known[core + ".numeric", "_frombuffer"] = _Admitted("numpy._frombuffer", _build)
        if module in ("builtins", "__builtin__") and name in _CONTAINERS:
            return _Admitted(name, lambda *given: _container(name, *given))
        try:
            return known[module, name]
        except KeyError:
            raise _RefusedError(f"{module}.{name}"[:200]) from None

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("a reference to something outside the file")


def load_arrays(path: Path, corpus: str) -> Any:
    """Read a pickle of arrays, numbers, text and plain containers.

    Parameters
    ----------
    path : Path
    corpus : str
        For messages.

    Returns
    -------
    The content; arrays are read-only. Arrays of objects hold text and numbers only.

    Raises
    ------
    UsageError
        If there is no such file.
    CorpusError
        If it is no pickle, or names anything else, which the message repeats.
    """
    existing(path, corpus, MAX_PICKLE_BYTES)
    try:
        with path.open("rb") as stream:
            _check_opcodes(stream, path.stat().st_size)
            stream.seek(0)
            content = _Unpickler(stream, encoding="latin1").load()
        return _resolve(content, {})
    except _RefusedError as error:
        raise CorpusError(
            f"{corpus}: {path} is refused: it names {error}, and only numpy arrays in plain "
            "containers are read from a pickle; fetch the published file."
        ) from error
    # A broken pickle raises almost anything, running out of memory included.
    except (Exception, MemoryError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorpusError(
            f"{corpus}: {path} cannot be read as a pickle of arrays: {reason}; fetch it anew."
        ) from error


def _check_opcodes(stream: BinaryIO, size: int) -> None:
    """Go through the opcodes without obeying them."""
    # pickletools reads each argument as a whole: a length beyond the file's end is found here,
    # before room is made for it.
    opcodes = pickletools.genops(cast(BinaryIO, _Bounded(stream, size)))
    for count, (opcode, argument, _position) in enumerate(opcodes, start=1):
        if _REFUSED.fullmatch(opcode.name):
            raise _RefusedError(f"the opcode {opcode.name}")
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            _Unpickler(io.BytesIO()).find_class(module, name)
        # The unpickler makes room for all numbers below the highest.
        if opcode.name.endswith("PUT") and int(argument or 0) > count:
            raise _RefusedError(f"place {argument} of a store with at most {count}")
        if opcode.name == "FRAME" and int(argument or 0) > size:
            raise ValueError("it is cut off")
        if count > MAX_OPCODES:
            raise _RefusedError(f"more than {MAX_OPCODES} things")


class _Bounded:
    """A stream that does not try to read more than there is."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size

    def read(self, n: int) -> bytes:
        return self._stream.read(n) if 0 <= n <= self._size else b""

    def readline(self) -> bytes:
        return self._stream.readline()

    def tell(self) -> int:
        return self._stream.tell()


def _resolve(value: Any, done: dict[int, Any]) -> Any:
    """Put the arrays in place of their stand-ins; every container is visited once.

    ``done`` keeps what was replaced by its id, and the originals alive so that ids stay theirs.
    """
    if id(value) in done:
        return done[id(value)][1]
    if isinstance(value, _Array):
        if value.values is None:
            raise _RefusedError("an array without content")
        return value.values
    if isinstance(value, _Admitted | _Dtype):
        raise _RefusedError("a function or a dtype where data belongs")
    if isinstance(value, dict):
        new: dict[Any, Any] = {}
        done[id(value)] = (value, new)
        new.update((_plain(key), _resolve(item, done)) for key, item in value.items())
        return new
    if isinstance(value, list):
        items: list[Any] = []
        done[id(value)] = (value, items)
        items.extend(_resolve(item, done) for item in value)
        return items
    if isinstance(value, tuple):
        whole = tuple(_resolve(item, done) for item in value)
        done[id(value)] = (value, whole)
        return whole
    if isinstance(value, set | frozenset):
        return type(value)(map(_plain, value))
    return value


def _plain(value: Any) -> Any:
    """Let through what may be a key or a member of a set."""
    if not isinstance(value, (*_PLAIN, np.generic)):
        raise _RefusedError(f"a key of type {type(value).__name__.lstrip('_')}")
    return value
