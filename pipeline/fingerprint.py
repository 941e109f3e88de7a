"""Content digests and the recipe of cache keys.

A key names everything that decides a stage's output and nothing else: never a path, a time stamp
or the mere existence of a file. Two machines with the same media and the same extractors agree.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.errors import MediaError, UsageError
from affect_pipe.pipeline.records import FeatureSpec, StageSpec, Utterance

KEY_FORMAT = 2
"""Part of every key. Raise it when the stored form of a record changes (`pipeline.serialise`)."""

DIGEST_BYTES = 16
_BLOCK_BYTES = 1 << 22


def digest_bytes(*parts: bytes | memoryview) -> str:
    """Return the blake2b digest of the concatenation of ``parts``: 32 hex characters."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        state.update(part)
    return state.hexdigest()


def digest_file(path: str | Path) -> str:
    """Return the blake2b digest of a file's bytes, read in blocks.

    Returns
    -------
    str
        32 hex characters (128 bits).

    Raises
    ------
    UsageError
        If there is no such file, or it is a folder, a pipe or a device.
    MediaError
        If it exists but cannot be read.
    """
    path = Path(path)
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        # A device or a pipe may never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is not a regular file: name a media file.")
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                state.update(block)
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist: name a media file that does.") from error
    except OSError as error:
        raise MediaError(
            f"{path} cannot be read ({error.strerror}): check its permissions and its disk."
        ) from error
    return state.hexdigest()


def canonical_json(value: object) -> str:
    """Return the one JSON text of ``value``: ASCII, sorted keys, no spaces, finite numbers.

    Dataclasses become objects of their fields, tuples become lists.

    Raises
    ------
    TypeError
        For anything else: paths (a key must not depend on where a file lies), sets (they have no
        order), arrays and NumPy scalars (their text depends on their width), keys that are no text.
    ValueError
        For NaN and infinities.
    """
    return json.dumps(
        _plain(value, "value"), sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def _plain(value: object, where: str) -> Any:
    """Return ``value`` as plain dicts, lists, strings, numbers; ``where`` names it in errors."""
    # float64 is a float to Python; the exact types keep NumPy scalars and enumerations out.
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}: canonical JSON holds finite numbers only")
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for key in value:
            if type(key) is not str:
                raise TypeError(f"{where} has the key {key!r}: canonical JSON keys are text")
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise TypeError(f"{where} is a {type(value).__name__}: canonical JSON cannot hold it")


def digest_json(value: object) -> str:
    """Return the digest of `canonical_json` of ``value``: 32 hex characters."""
    return digest_bytes(canonical_json(value).encode("ascii"))


def stage_key(
    media_digest: str, spec: StageSpec | FeatureSpec, upstream: Sequence[str] = ()
) -> str:
    """Return the cache key of one stage's output for one media file.

    Parameters
    ----------
    media_digest : str
        `digest_file` of the media.
    spec : StageSpec or FeatureSpec
        Who computes it, how, with which weights and which version of which library.
    upstream : sequence of str
        Keys or digests of every other input (the face tracks, `digest_utterances`), in a fixed
        order.

    Returns
    -------
    str
        32 hex characters.
    """
    recipe: dict[str, Any] = {
        "format": KEY_FORMAT,
        "media": media_digest,
        "settings": spec.settings,
        "version": spec.version,
        "model": [spec.model_id, spec.weights_digest],
        "backend": spec.backend,
        "upstream": list(upstream),
    }
    if isinstance(spec, FeatureSpec):
        recipe |= {"stage": f"features-{spec.modality}", "extractor": spec.name}
        # A forgotten version bump must not hand out a block with other columns.
        recipe["columns"] = list(spec.columns)
    else:
        recipe |= {"stage": spec.stage, "extractor": spec.extractor}
    return digest_json(recipe)


def digest_utterances(utterances: Sequence[Utterance]) -> str:
    """Return the digest of what an extractor may read of the utterances: 32 hex characters.

    That is start, end, text, speaker, words with times and confidence, and the reason for a
    missing text; not the index, which the order tells.
    """
    return digest_json(
        [
            [
                u.start_s,
                u.end_s,
                u.text,
                u.text_reason,
                u.speaker,
                [[w.text, w.start_s, w.end_s, w.confidence] for w in u.words],
            ]
            for u in utterances
        ]
    )
