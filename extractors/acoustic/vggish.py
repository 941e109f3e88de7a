"""The `vggish` feature: AudioSet embeddings of 0.96 s patches of sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.acoustic import patches
from affect_pipe.extractors.networks import batches
from affect_pipe.extractors.networks.vggish import N_BANDS, N_FRAMES
from affect_pipe.extractors.weights.catalogue import wanted
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import Arrays, FrameStage, Source
from affect_pipe.pipeline.optional import backend_version
from affect_pipe.pipeline.records import (
    Audio,
    FeatureBlock,
    FeatureSpec,
    FloatArray,
    StageSpec,
    Utterance,
)

DIM = 128
WEIGHTS = "vggish"
SAMPLE_RATE_HZ = 16000
WINDOW, STEP, N_FFT = 400, 160, 512
LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0
LOG_OFFSET = 0.01
_BATCH = 64


def mel_weights() -> npt.NDArray[np.float64]:
    """Triangular bands float64 [257, 64], straight on the mel scale 1127 ln(1 + f / 700).

    Slopes are straight in mel, not in hertz as librosa has them; and nothing is taken from 0 Hz.
    """

    def mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(hertz / 700.0))

    bins = mel(np.linspace(0.0, SAMPLE_RATE_HZ / 2, N_FFT // 2 + 1))[:, None]
    low, high = mel(np.array([LOWEST_HZ, HIGHEST_HZ]))
    edges = np.linspace(low, high, N_BANDS + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0
    return weights


def log_mel(samples: FloatArray) -> FloatArray:
    """Log-mel magnitudes float32 [n_frames, 64] of float32 [n_samples] at 16 kHz in [-1, 1].

    25 ms periodic Hann windows every 10 ms, no padding, FFT of 512; log(mel + 0.01).
    """
    n_frames = 1 + (len(samples) - WINDOW) // STEP
    if n_frames < 1:
        return np.zeros((0, N_BANDS), np.float32)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    framed = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::STEP][:n_frames]
    magnitudes = np.abs(np.fft.rfft(framed * hann, N_FFT, axis=1))
    # Summed without BLAS: a product's last bits depend on how many threads share it.
    mel = np.einsum("tf,fm->tm", magnitudes, mel_weights(), optimize=False)
    return np.asarray(np.log(mel + LOG_OFFSET), np.float32)


class VGGish:
    """Embeddings of VGGish (Hershey et al. 2017), trained on AudioSet; 128 columns.

    A patch is 96 frames of 10 ms (0.96 s) by 64 mel bands. The published tool sets patch after
    patch; the MuSe challenge takes one every 250 ms, which is the default here. An utterance is
    the mean of the patches centred in it. The release's optional principal components and 8-bit
    steps are not applied.

    Parameters
    ----------
    hop_s : float
        Seconds from patch to patch; whole frames of 10 ms.
    rectified : bool
        Whether embeddings pass the last rectifier: True as in the first release and its
        conversion to PyTorch.

    Raises
    ------
    UsageError
        If the hop is no positive multiple of 10 ms.
    """

    name = "vggish"
    version = "1"

    def __init__(self, hop_s: float = 0.25, rectified: bool = True) -> None:
        self._hop = round(float(hop_s) * SAMPLE_RATE_HZ)
        if self._hop <= 0 or self._hop % STEP:
            raise UsageError(f"vggish: hop_s must be a multiple of 0.01 above 0, got {hop_s}.")
        self._rectified = bool(rectified)

    @cached_property
    def _spec(self) -> FeatureSpec:
        return FeatureSpec(
            name=self.name,
            modality="acoustic",
            dim=DIM,
            columns=tuple(f"vggish_{k:03d}" for k in range(DIM)),
            version=self.version,
            settings={"hop_s": self._hop / SAMPLE_RATE_HZ, "rectified": self._rectified},
            model_id=WEIGHTS,
            weights_digest=WeightsStore().digest(wanted(WEIGHTS)),
            backend=backend_version("torch"),
        )

    def spec(self) -> FeatureSpec:
        """Return the contract of the vectors; loads no model.

        Raises
        ------
        MissingWeightsError
            If the weights are neither here nor within reach.
        """
        return self._spec

    def weights(self) -> tuple[Weights, ...]:
        """Return what it loads."""
        return (wanted(WEIGHTS),)

    def frame_stage(self) -> FrameStage | None:
        """Return None: the voice needs no frames."""
        return None

    @property
    def stage(self) -> VGGishPatches:
        """The pass over the sound."""
        return VGGishPatches(self._spec, self._hop, self._rectified)

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the voice of each utterance; see `patches.describe`."""
        return patches.describe(self._spec, self.stage, source, utterances)

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return a row a patch."""
        return patches.table(self._spec, self.stage, source)


class VGGishPatches:
    """The pass over the sound behind `VGGish`."""

    def __init__(self, spec: FeatureSpec, hop: int, rectified: bool) -> None:
        self._feature = spec
        self._hop = hop
        self._rectified = rectified

    def spec(self) -> StageSpec:
        """Say what decides the patches."""
        feature = self._feature
        return StageSpec(
            stage="vggish-patches",
            extractor=feature.name,
            version=feature.version,
            settings=feature.settings,
            model_id=feature.model_id,
            weights_digest=feature.weights_digest,
            backend=feature.backend,
        )

    def analyse(self, audio: Audio) -> Arrays:
        """Embed the patches.

        Returns
        -------
        mapping
            ``time_s``, ``end_s`` float64 [n], ``values`` float32 [n, 128].
        """
        from affect_pipe.extractors.networks.vggish import vggish

        window = WINDOW + (N_FRAMES - 1) * STEP
        starts = patches.patch_starts(len(audio.samples), window, self._hop)
        network = vggish(WeightsStore().file(wanted(WEIGHTS)), self._rectified).to(batches.device())
        values = batches.run(network, self._batches(audio.samples, starts), DIM)
        time_s = audio.start_s + np.array(starts, np.float64) / SAMPLE_RATE_HZ
        return {
            "time_s": time_s,
            "end_s": time_s + N_FRAMES * STEP / SAMPLE_RATE_HZ,
            "values": values,
        }

    def _batches(self, samples: FloatArray, starts: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
        frames_a_hop = self._hop // STEP
        window = WINDOW + (N_FRAMES - 1) * STEP
        for first in range(0, len(starts), _BATCH):
            chosen = starts[first : first + _BATCH]
            piece = samples[chosen[0] : chosen[-1] + window]
            frames = log_mel(np.pad(piece, (0, max(window - len(piece), 0))))
            yield np.stack(
                [frames[k * frames_a_hop : k * frames_a_hop + N_FRAMES] for k in range(len(chosen))]
            )
