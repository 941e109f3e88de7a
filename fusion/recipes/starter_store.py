"""Keeping computed corpus features between a training and its measurements."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.cache import resolve_root
from affect_pipe.pipeline.records import FeatureSpec

Arrays = Mapping[str, npt.NDArray[Any]]


def corpora_folder(cache_dir: str | None) -> Path | None:
    """Return the folder for corpus features; None, keep nothing, where the cache is no folder."""
    root = resolve_root(cache_dir)
    return root / "corpora" if isinstance(root, Path) else None


def feature_key(what: str, spec: FeatureSpec, parts: Iterable[bytes | str]) -> str:
    """Digest of a spec (its weights included) and of everything it is computed from."""
    digest = hashlib.blake2b(digest_size=20)
    header = json.dumps({"what": what, "spec": asdict(spec)}, sort_keys=True, default=str)
    for part in (header, *parts):
        data = part.encode() if isinstance(part, str) else part
        # The length goes in too: two texts must not read as one longer one.
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


class FeatureStore:
    """One safetensors file a feature matrix; without a folder nothing is kept.

    Parameters
    ----------
    folder : Path or None
        Created when first written to.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, key: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return the arrays kept under ``key``, or compute and keep them.

        A file that cannot be read is computed anew.
        """
        path = self._folder / f"{key}.safetensors" if self._folder is not None else None
        kept = _read(path) if path is not None and path.is_file() else None
        if kept is not None:
            return kept
        arrays = compute()
        if path is not None:
            _write(path, arrays)
        return arrays


def _read(path: Path) -> Arrays | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays: Arrays = load_file(str(path))
    except (SafetensorError, OSError, ValueError, KeyError):
        return None
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    data = save({name: np.ascontiguousarray(values) for name, values in arrays.items()})
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    os.replace(temporary, path)
