"""Features of short patches of sound, one after the other, by a network that sees one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.acoustic.evidence import hear, quality_of
from affect_pipe.extractors.networks import batches
from affect_pipe.extractors.weights.catalogue import wanted
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import Arrays, FrameStage, Source
from affect_pipe.pipeline.records import (
    Audio,
    FeatureBlock,
    FeatureSpec,
    FloatArray,
    StageSpec,
    Utterance,
)


def patch_starts(n_samples: int, window: int, hop: int) -> list[int]:
    """First samples of the patches of a recording of ``n_samples``.

    A recording shorter than one window has one patch, which goes on in silence; what is left
    behind the last whole window belongs to no patch, as in the published tools.
    """
    if n_samples == 0:
        return []
    return list(range(0, max(n_samples - window, 0) + 1, hop))


class PatchFeature(ABC):
    """A feature that is the mean of what a network says of the patches of an utterance.

    An utterance's patches are those whose centre lies in it; one that holds none takes the patch
    whose centre is nearest to its own.

    Attributes
    ----------
    name, version : str
        In the registry; of the arithmetic.
    sample_rate_hz : int
    batch : int
        Patches the network sees at a time.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    batch: ClassVar[int]
    sample_rate_hz: ClassVar[int] = 16000

    @abstractmethod
    def spec(self) -> FeatureSpec:
        """Return the contract of the vectors; loads no model.

        Raises
        ------
        MissingWeightsError
            If the weights are neither here nor within reach.
        """

    @property
    @abstractmethod
    def window(self) -> int:
        """Samples a patch is made of."""

    @property
    @abstractmethod
    def hop(self) -> int:
        """Samples from patch to patch."""

    @property
    def length_s(self) -> float:
        """Seconds a patch is said to last."""
        return self.window / self.sample_rate_hz

    @abstractmethod
    def load(self) -> Any:
        """Return the network: a batch of inputs -> float [n, dim]."""

    @abstractmethod
    def inputs(self, sound: FloatArray, n: int) -> npt.NDArray[np.float32]:
        """Return the network's inputs for ``n`` patches, a hop apart, that make up ``sound``."""

    def weights(self) -> tuple[Weights, ...]:
        """Return the published weights it loads."""
        return (wanted(self._weights),)

    @property
    @abstractmethod
    def _weights(self) -> str:
        """The name of the weights."""

    def frame_stage(self) -> FrameStage | None:
        """Return None: the voice needs no frames."""
        return None

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the voice of each utterance.

        Returns
        -------
        FeatureBlock
            float32 [n_utterances, dim]; quality ``speech_s`` and ``snr_db``. Absent where there is
            no audio track, silence, no detected speech, or less than 0.2 s of signal.
        """
        spec, heard = self.spec(), hear(source, utterances)
        values = np.zeros((len(utterances), spec.dim), np.float32)
        present = np.array([one.reason is None for one in heard], np.bool_)
        if present.any():
            arrays = source.sound(Patches(self))
            for row in np.flatnonzero(present):
                values[row] = _mean(arrays, utterances[row])
        reasons = tuple(one.reason for one in heard)
        return FeatureBlock(spec, values, present, reasons, quality_of(heard))

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return a row a patch of the file; none where it has no audio."""
        spec, arrays = self.spec(), source.sound(Patches(self))
        empty = np.zeros(0, np.float64)
        return FrameTable(
            spec=spec,
            columns=spec.columns,
            units=("",) * spec.dim,
            time_s=np.asarray(arrays.get("time_s", empty), np.float64),
            values=np.asarray(arrays.get("values", np.zeros((0, spec.dim))), np.float32),
            end_s=np.asarray(arrays.get("end_s", empty), np.float64),
        )


class Patches:
    """The pass over the sound behind a `PatchFeature`."""

    def __init__(self, feature: PatchFeature) -> None:
        self._feature = feature

    def spec(self) -> StageSpec:
        """Say what decides the patches: what decides the feature."""
        spec = self._feature.spec()
        return StageSpec(
            stage=f"{spec.name}-patches",
            extractor=spec.name,
            version=spec.version,
            settings=spec.settings,
            model_id=spec.model_id,
            weights_digest=spec.weights_digest,
            backend=spec.backend,
        )

    def analyse(self, audio: Audio) -> Arrays:
        """Run the network over all patches.

        Returns
        -------
        mapping
            ``time_s``, ``end_s`` float64 [n], ``values`` float32 [n, dim].
        """
        feature = self._feature
        starts = patch_starts(len(audio.samples), feature.window, feature.hop)
        network = feature.load().to(batches.device())
        inputs = self._inputs(audio.samples, starts)
        time_s = audio.start_s + np.array(starts, np.float64) / feature.sample_rate_hz
        return {
            "time_s": time_s,
            "end_s": time_s + feature.length_s,
            "values": batches.run(network, inputs, feature.spec().dim),
        }

    def _inputs(
        self, samples: FloatArray, starts: Sequence[int]
    ) -> Iterator[npt.NDArray[np.float32]]:
        feature = self._feature
        for first in range(0, len(starts), feature.batch):
            chosen = starts[first : first + feature.batch]
            sound = samples[chosen[0] : chosen[-1] + feature.window]
            # A recording shorter than a patch goes on in silence.
            whole = np.pad(sound, (0, max(feature.window - len(sound), 0)))
            yield feature.inputs(whole, len(chosen))


def _mean(arrays: Arrays, utterance: Utterance) -> FloatArray:
    centres = (arrays["time_s"] + arrays["end_s"]) / 2
    inside = np.flatnonzero((centres >= utterance.start_s) & (centres < utterance.end_s))
    if not len(inside):
        middle = (utterance.start_s + utterance.end_s) / 2
        inside = np.array([int(np.argmin(np.abs(centres - middle)))])
    mean: FloatArray = arrays["values"][inside].mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
