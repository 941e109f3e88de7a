"""Tables of the papers run anew; transcripts that come as text are encoded as a run does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from affect_pipe.fusion.recipes.starter_store import FeatureStore, corpora_folder, feature_key
from affect_pipe.pipeline.records import FloatArray

if TYPE_CHECKING:
    from affect_pipe.fusion.reproduce.progress import Listener as GridListener
    from affect_pipe.fusion.reproduce.report import Report
    from affect_pipe.fusion.reproduce.source import EncodeTexts


def reproduce(
    table: str,
    data: str | Path,
    out: str | Path,
    *,
    seeds: int = 5,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    workers: int | None = None,
    models: Sequence[str] | None = None,
    modalities: Sequence[str] | None = None,
    cache_dir: str | None = None,
    listener: GridListener | None = None,
) -> Report:
    """Run a table of a paper, our numbers beside theirs.

    Parameters
    ----------
    table : str
        cim-3, cim-4, cia-1, cia-3, muse-1 to muse-5, or mosi.
    data : str or Path
        Folder of datasets; see docs/data.md.
    out : str or Path
        Gets ``<table>.json`` and ``<table>.md``. Finished cells of the grid are kept there and not
        run again.
    seeds : int
        How many, from 1.
    workers : int, optional
        Processes of one thread each; one a core by default, one on a GPU.
    models, modalities : sequences of str, optional
        Only these rows and columns: ``["cim"]``, ``["T", "T+A+V"]``.
    cache_dir : str, optional
        Where encoded transcripts are kept, in the subfolder ``corpora``.
    listener : callable, optional
        Hears of every epoch and cell, with the time left.

    Raises
    ------
    UsageError
        If the table, a model or a combination is unknown, or its dataset is not there: the message
        says where to get it.
    """
    from affect_pipe.fusion.reproduce.plan import parse_combination
    from affect_pipe.fusion.reproduce.reproduce import reproduce as run_table
    from affect_pipe.fusion.training import choose_device

    return run_table(
        table,
        Path(data),
        Path(out),
        _transcript_encoder(cache_dir),
        n_seeds=seeds,
        device="cuda" if choose_device(device).type == "cuda" else "cpu",
        workers=workers,
        models=models,
        combinations=[parse_combination(text) for text in modalities or ()] or None,
        listener=listener,
    )


def _transcript_encoder(cache_dir: str | None) -> EncodeTexts:
    """Encode transcripts with the encoder a run uses; each corpus once, where there is a cache."""
    from affect_pipe.extractors.text.minilm import MiniLM

    store = FeatureStore(corpora_folder(cache_dir))

    def encode(texts: Sequence[str]) -> FloatArray:
        encoder = MiniLM()
        key = feature_key("transcripts", encoder.spec(), texts)
        arrays = store.get(key, lambda: {"vectors": encoder.encode(list(texts))})
        return np.asarray(arrays["vectors"], dtype=np.float32)

    return encode
