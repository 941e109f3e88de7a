"""Feature vectors of utterances, and why some are absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records.arrays import FloatArray
from affect_pipe.pipeline.records.modalities import Modality
from affect_pipe.pipeline.records.specs import FeatureSpec
from affect_pipe.pipeline.records.utterances import Utterance


@dataclass(frozen=True)
class FeatureBlock:
    """One feature set over the utterances of one video.

    Attributes
    ----------
    values : float32 [n_utterances, dim]
        Finite everywhere; zero in absent rows.
    present : bool [n_utterances]
        Whether the row was measured.
    reasons : tuple of (str or None), length n_utterances
        Why a row is absent; None where it is present.
    quality : mapping of str to float32 [n_utterances]
        Measures of evidence, for example ``face_coverage`` in [0, 1], ``speech_s``, ``snr_db``,
        ``asr_confidence``; NaN where one cannot be measured.
    """

    spec: FeatureSpec
    values: FloatArray
    present: npt.NDArray[np.bool_]
    reasons: tuple[str | None, ...]
    quality: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.reasons)
        if self.values.shape != (n, self.spec.dim) or self.values.dtype != np.float32:
            raise ValueError(
                f"{self.spec.name}: values must be float32 [{n}, {self.spec.dim}], "
                f"got {self.values.dtype} {list(self.values.shape)}"
            )
        if self.present.shape != (n,) or self.present.dtype != np.bool_:
            raise ValueError(
                f"{self.spec.name}: present must be bool [{n}], "
                f"got {self.present.dtype} {list(self.present.shape)}"
            )
        if not np.isfinite(self.values).all():
            raise ValueError(f"{self.spec.name}: values must be finite")
        if self.values[~self.present].any():
            raise ValueError(f"{self.spec.name}: absent rows must be zero")
        if any(
            (reason is None) != bool(p)
            for reason, p in zip(self.reasons, self.present, strict=True)
        ):
            raise ValueError(f"{self.spec.name}: exactly the absent rows need a reason")
        for name, column in self.quality.items():
            if column.shape != (n,):
                raise ValueError(
                    f"{self.spec.name}: quality {name} has shape {column.shape}, not ({n},)"
                )

    def __repr__(self) -> str:
        n_present = int(self.present.sum())
        return f"FeatureBlock({self.spec.name}, {self.values.shape}, {n_present} present)"


@dataclass(frozen=True)
class VideoFeatures:
    """All feature blocks of one video, keyed by modality, over the same utterances."""

    utterances: tuple[Utterance, ...]
    blocks: Mapping[Modality, FeatureBlock]

    def __post_init__(self) -> None:
        for modality, block in self.blocks.items():
            if block.spec.modality != modality:
                raise ValueError(
                    f"block {block.spec.name} is {block.spec.modality}, filed as {modality}"
                )
            if len(block.reasons) != len(self.utterances):
                raise ValueError(
                    f"{block.spec.name}: {len(block.reasons)} rows "
                    f"for {len(self.utterances)} utterances"
                )
