"""The `xception` feature: what an image network sees of the whole frame, people and place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.networks import batches
from affect_pipe.extractors.networks.state import fill, load_state
from affect_pipe.extractors.weights.catalogue import wanted
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import Arrays, Frame, FrameStage, Source
from affect_pipe.pipeline.optional import backend_version, require
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, Media, StageSpec, Utterance

DIM = 2048
WEIGHTS = "xception-in1k"
ARCHITECTURE = "legacy_xception"
_BATCH = 8


def network_and_transform() -> tuple[Any, Any]:
    """Return timm's Xception without its classes, and the transform its weights were tested with.

    Returns
    -------
    network : float [n, 3, 299, 299] -> float [n, 2048]
    transform : picture of PIL -> float tensor [3, 299, 299]

    Raises
    ------
    MissingDependencyError
        If timm is not installed.
    UsageError
        If the weights are of something else.
    """
    timm = require("timm", feature="the xception feature", extra="deep")
    path = WeightsStore().find(wanted(WEIGHTS)) / "model.safetensors"
    network = timm.create_model(ARCHITECTURE, pretrained=False)
    fill(network, load_state(path, "Xception"), path, "Xception")
    network.reset_classifier(0)
    config = timm.data.resolve_model_data_config(network)
    return network.eval(), timm.data.create_transform(**config, is_training=False)


class Xception:
    """Activations of Xception (Chollet 2017) before its classes, 2048 columns.

    The network, trained on ImageNet, sees the frame as a whole (its shorter side scaled to 333
    pixels, the middle 299 by 299 of it): the surroundings, in the words of the MuSe challenge. An
    utterance is the mean of the frames in it.

    Parameters
    ----------
    rate_hz : float
        Frames looked at per second; 4, one every 250 ms, in the challenge.

    Raises
    ------
    UsageError
        If the rate is not above 0 and up to 60.
    """

    name = "xception"
    version = "1"

    def __init__(self, rate_hz: float = 4.0) -> None:
        if not 0.0 < rate_hz <= 60.0:
            raise UsageError(f"xception: expected rate_hz above 0 and up to 60, got {rate_hz}.")
        self._rate_hz = float(rate_hz)

    @cached_property
    def _spec(self) -> FeatureSpec:
        digest = WeightsStore().digest(wanted(WEIGHTS), "model.safetensors")
        return FeatureSpec(
            name=self.name,
            modality="visual",
            dim=DIM,
            columns=tuple(f"xception_{k:04d}" for k in range(DIM)),
            version=self.version,
            settings={"rate_hz": self._rate_hz},
            model_id=WEIGHTS,
            weights_digest=digest,
            backend=backend_version("timm", extra="deep"),
        )

    def spec(self) -> FeatureSpec:
        """Return the contract of the vectors; loads no model.

        Raises
        ------
        MissingWeightsError
            If the weights are neither here nor within reach.
        MissingDependencyError
            If timm is not installed.
        """
        return self._spec

    def weights(self) -> tuple[Weights, ...]:
        """Return what it loads."""
        return (wanted(WEIGHTS),)

    def frame_stage(self) -> FrameStage:
        """Return the pass over the frames."""
        return FrameViews(self._rate_hz, self._spec.weights_digest)

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the frames of each utterance by their mean; quality ``n_frames``."""
        arrays = source.frames(self.frame_stage()) if utterances else {}
        n = len(utterances)
        values, seen = np.zeros((n, DIM), np.float32), np.zeros(n, np.float32)
        reasons: list[str | None] = ["no video track"] * n
        for row, utterance in enumerate(utterances if arrays else ()):
            times = arrays["frame_time_s"]
            inside = np.flatnonzero((times >= utterance.start_s) & (times < utterance.end_s))
            seen[row] = len(inside)
            reasons[row] = None if len(inside) else "no frame of the video is in it"
            if len(inside):
                values[row] = arrays["values"][inside].mean(axis=0, dtype=np.float64)
        present = np.array([reason is None for reason in reasons], np.bool_)
        return FeatureBlock(self._spec, values, present, tuple(reasons), {"n_frames": seen})

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return a row a frame."""
        arrays = source.frames(self.frame_stage())
        return FrameTable(
            spec=self._spec,
            columns=self._spec.columns,
            units=("",) * DIM,
            time_s=np.asarray(arrays["frame_time_s"] if arrays else np.zeros(0), np.float64),
            values=np.asarray(arrays["values"] if arrays else np.zeros((0, DIM)), np.float32),
        )


class FrameViews:
    """The pass over the frames behind `Xception`."""

    def __init__(self, rate_hz: float, weights_digest: str) -> None:
        self._rate_hz = rate_hz
        self._weights_digest = weights_digest

    @property
    def rate_hz(self) -> float:
        """Frames per second of video it wants to see."""
        return self._rate_hz

    def spec(self) -> StageSpec:
        """Say what decides its output."""
        return StageSpec(
            stage="xception-frames",
            extractor=Xception.name,
            version=Xception.version,
            settings={"rate_hz": self._rate_hz},
            model_id=WEIGHTS,
            weights_digest=self._weights_digest,
            backend=backend_version("timm", extra="deep"),
        )

    def analyse(self, frames: Iterable[Frame], media: Media) -> Arrays:
        """Look at every frame.

        Returns
        -------
        mapping
            ``frame_time_s`` float64 [n], ``values`` float32 [n, 2048].
        """
        network, transform = network_and_transform()
        times: list[float] = []
        batched = _batches(frames, transform, times)
        values = batches.run(network.to(batches.device()), batched, DIM)
        return {"frame_time_s": np.array(times, np.float64), "values": values}

    def problem(self, arrays: Arrays) -> str | None:
        """Say that there are no frames, if there are none."""
        return None if len(arrays["frame_time_s"]) else "the video has no frames"


def _batches(
    frames: Iterable[Frame], transform: Any, times: list[float]
) -> Iterator[npt.NDArray[Any]]:
    image = require("PIL.Image", feature="the xception feature", extra="deep")
    waiting: list[npt.NDArray[Any]] = []
    for frame in frames:
        times.append(frame.time_s)
        waiting.append(transform(image.fromarray(np.array(frame.image))).numpy())
        if len(waiting) == _BATCH:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)
