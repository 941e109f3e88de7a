"""A small corpus in the published layout of CMU-MOSI, and a table that trains in a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.fusion.reproduce.tables import SC, Claim, Entry, Setup, Table
from affect_pipe.pipeline.records import FloatArray

SMALL = {"gru_width": 4, "dense_width": 3}


def encode(texts: Sequence[str]) -> FloatArray:
    """A vector a text, from its length alone."""
    return np.stack([np.full(4, len(text), np.float32) for text in texts])


def write_mosi(data: Path, n_train: int = 6, n_test: int = 4) -> Path:
    """Write made videos of 3 to 5 utterances; the first text column tells the label."""
    rng = np.random.default_rng(5)
    rows: dict[str, list[object]] = {
        key: [] for key in ("split", "video_id", "utterance", "transcript", "label")
    }
    for number in range(n_train + n_test):
        for place in range(3 + number % 3):
            rows["split"].append("train" if number < n_train else "test")
            rows["video_id"].append(f"v{number:02d}")
            rows["utterance"].append(place)
            rows["transcript"].append("word " * (1 + place))
            rows["label"].append(int(rng.integers(2)))
    arrays = {key: np.array(values) for key, values in rows.items()}
    n = len(arrays["label"])
    features = {
        name: rng.normal(size=(n, dim)).astype(np.float32)
        for name, dim in (("text", 5), ("audio", 4), ("video", 3))
    }
    features["text"][:, 0] += 3 * arrays["label"]
    (data / "mosi").mkdir(parents=True)
    np.savez(data / "mosi" / "mosi_mmmuba.npz", **arrays, **features)  # type: ignore[arg-type]
    return data


@pytest.fixture(name="encode")
def _encode() -> Callable[[Sequence[str]], FloatArray]:
    return encode


@pytest.fixture(name="setup_of")
def _setup_of() -> Callable[..., Setup]:
    return make_setup


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> Path:
    return write_mosi(tmp_path / "data")


def make_setup(row: str, **changes: object) -> Setup:
    """CIM, two epochs, published features, cross-fitted, unless told otherwise."""
    fields: dict[str, object] = {
        "row": row,
        "source": "mosi-published",
        "modalities": ("text", "acoustic"),
        "model": "cim",
        "settings": SMALL,
        "tasks": (SC,),
        "protocol": "cross-fit",
        "epochs": 2,
    }
    return Setup.model_validate({**fields, **changes})


@pytest.fixture(name="table")
def _table() -> Table:
    """Two rows that train and one that does not, on both tracks."""
    cim, majority = make_setup("CIM"), make_setup("majority", model="majority", settings={})
    clean = make_setup("CIM", source="mosi-clean", protocol="validation", patience=1)
    entries = (
        Entry(cim, "sentiment_class", "accuracy", 79.3),
        Entry(cim, "sentiment_class", "weighted_f1"),
        Entry(majority, "sentiment_class", "accuracy", 62.1),
        Entry(clean, "sentiment_class", "accuracy"),
    )
    claims = (Claim("CIM", "majority", "section 1"),)
    return Table("made", "A made table", "Nobody 2000", entries, claims, ("A note.",))
