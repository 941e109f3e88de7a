"""The `vggish` feature: AudioSet embeddings of 0.96 s patches of sound."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.acoustic.patches import PatchFeature
from affect_pipe.extractors.networks.vggish import N_BANDS, N_FRAMES
from affect_pipe.extractors.weights.catalogue import wanted
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.optional import backend_version
from affect_pipe.pipeline.records import (
    FeatureSpec,
    FloatArray,
)

DIM = 128
WEIGHTS = "vggish"
SAMPLE_RATE_HZ = PatchFeature.sample_rate_hz
WINDOW, STEP, N_FFT = 400, 160, 512
LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0
LOG_OFFSET = 0.01


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


class VGGish(PatchFeature):
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
    batch = 64

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
        """Return the contract of the vectors; loads no model."""
        return self._spec

    @property
    def window(self) -> int:
        """Samples a patch is made of: 96 frames and what the last of them needs."""
        return WINDOW + (N_FRAMES - 1) * STEP

    @property
    def hop(self) -> int:
        """Samples from patch to patch."""
        return self._hop

    @property
    def length_s(self) -> float:
        """Seconds a patch is said to last: 0.96."""
        return N_FRAMES * STEP / SAMPLE_RATE_HZ

    def load(self) -> Any:
        """Return the network."""
        from affect_pipe.extractors.networks.vggish import vggish

        return vggish(WeightsStore().file(wanted(WEIGHTS)), self._rectified)

    def inputs(self, sound: FloatArray, n: int) -> npt.NDArray[np.float32]:
        """Return log-mel patches float32 [n, 96, 64]."""
        frames, step = log_mel(sound), self._hop // STEP
        return np.stack([frames[k * step : k * step + N_FRAMES] for k in range(n)])

    @property
    def _weights(self) -> str:
        return WEIGHTS
