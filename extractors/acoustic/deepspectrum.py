"""The `deepspectrum` feature: what an image network sees in pictures of mel spectrograms."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.acoustic.patches import PatchFeature
from affect_pipe.extractors.weights.catalogue import wanted
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.optional import backend_version, require
from affect_pipe.pipeline.records import (
    FeatureSpec,
    FloatArray,
)

DIM = 4096
SAMPLE_RATE_HZ = PatchFeature.sample_rate_hz
# The next power of two above 25 ms, and half of it.
N_FFT, STEP = 512, 256
N_BANDS = 128
TOP_DB = 80.0
# Power below which nothing is made brighter.
QUIETEST = 1e-10
NETWORKS = ("vgg16", "vgg19")
# Of ImageNet, as torchvision's networks were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(samples: FloatArray, colour_map: str, size_px: int) -> npt.NDArray[np.uint8]:
    """Draw the mel spectrogram of one patch.

    128 mel bands of power, in dB below the loudest (to -80), low bands at the bottom, coloured,
    and stretched to a square.

    Parameters
    ----------
    samples : float32 [n] at 16 kHz
    colour_map : str
        A name of Matplotlib.
    size_px : int

    Returns
    -------
    uint8 [size_px, size_px, 3]
        RGB.
    """
    cv2 = require("cv2", feature="the deepspectrum feature")
    librosa = require("librosa", feature="the deepspectrum feature")
    colormaps = require("matplotlib", feature="the deepspectrum feature", extra="deep").colormaps
    power = librosa.feature.melspectrogram(
        y=samples, sr=SAMPLE_RATE_HZ, n_fft=N_FFT, hop_length=STEP, n_mels=N_BANDS
    )
    # Silence is drawn as silence, not as its own loudest moment.
    loudest = max(float(power.max()), QUIETEST)
    faintest = loudest / 10 ** (TOP_DB / 10)
    decibels = librosa.power_to_db(power, ref=loudest, amin=faintest, top_db=None)
    shares = np.clip(decibels / TOP_DB + 1.0, 0.0, 1.0)[::-1]
    coloured = colormaps[colour_map](shares, bytes=True)[..., :3]
    drawn: npt.NDArray[np.uint8] = cv2.resize(
        np.ascontiguousarray(coloured), (size_px, size_px), interpolation=cv2.INTER_LINEAR
    )
    return drawn


class DeepSpectrum(PatchFeature):
    """Deep spectrum features (Amiriparian et al. 2017): 4096 activations of ``fc2`` of VGG.

    Pictures of mel spectrograms of one second go through an image network trained on ImageNet, and
    the activations of its second fully connected layer, rectified, are the feature. The published
    tool draws with 128 mel bands and the colour map ``viridis``; the MuSe challenge takes a window
    of one second. Weights are torchvision's, with torchvision's normalisation of colours; the tool
    uses Keras's conversion of the same networks and draws through Matplotlib's axes, so numbers
    are of the same kind but not the same.

    An hour at a hop of 0.5 s takes 118 MB in the cache.

    Parameters
    ----------
    network : {"vgg16", "vgg19"}
    window_s, hop_s : float
        Length of a patch, and from patch to patch.
    colour_map : str
        A name of Matplotlib.

    Raises
    ------
    UsageError
        If a setting does not fit.
    """

    name = "deepspectrum"
    version = "1"
    batch = 8

    def __init__(
        self,
        network: str = "vgg16",
        window_s: float = 1.0,
        hop_s: float = 0.5,
        colour_map: str = "viridis",
    ) -> None:
        if network not in NETWORKS:
            raise UsageError(
                f"deepspectrum: unknown network {network!r}: use {' or '.join(NETWORKS)}."
            )
        if not 0.05 <= window_s <= 60 or not 0.01 <= hop_s <= 60:
            raise UsageError(
                f"deepspectrum: expected window_s of 0.05 to 60 and hop_s of 0.01 to 60, "
                f"got {window_s} and {hop_s}."
            )
        matplotlib = require("matplotlib", feature="the deepspectrum feature", extra="deep")
        if colour_map not in matplotlib.colormaps:
            raise UsageError(f"deepspectrum: Matplotlib has no colour map {colour_map!r}.")
        self._network = network
        self._window_s, self._hop_s = float(window_s), float(hop_s)
        self._colour_map = colour_map

    @cached_property
    def _spec(self) -> FeatureSpec:
        weights = self._network
        return FeatureSpec(
            name=self.name,
            modality="acoustic",
            dim=DIM,
            columns=tuple(f"deepspectrum_{k:04d}" for k in range(DIM)),
            version=self.version,
            settings={
                "network": self._network,
                "window_s": self._window_s,
                "hop_s": self._hop_s,
                "colour_map": self._colour_map,
            },
            model_id=weights,
            weights_digest=WeightsStore().digest(wanted(weights)),
            backend=backend_version("torch"),
        )

    def spec(self) -> FeatureSpec:
        """Return the contract of the vectors; loads no model."""
        return self._spec

    @property
    def window(self) -> int:
        """Samples a patch is made of."""
        return round(self._window_s * SAMPLE_RATE_HZ)

    @property
    def hop(self) -> int:
        """Samples from patch to patch."""
        return round(self._hop_s * SAMPLE_RATE_HZ)

    def load(self) -> Any:
        """Return the network up to its second fully connected layer."""
        from affect_pipe.extractors.networks.vgg import second_fully_connected

        return second_fully_connected(WeightsStore().file(wanted(self._network)), self._network)

    def inputs(self, sound: FloatArray, n: int) -> npt.NDArray[np.float32]:
        """Return pictures float32 [n, 3, 224, 224], normalised as the weights want them."""
        from affect_pipe.extractors.networks.vgg import INPUT_PX

        starts = [k * self.hop for k in range(n)]
        drawn = [
            picture(sound[start : start + self.window], self._colour_map, INPUT_PX)
            for start in starts
        ]
        shares = np.stack(drawn).astype(np.float32) / 255
        normalised = (shares - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
        return np.asarray(normalised.transpose(0, 3, 1, 2), np.float32)

    @property
    def _weights(self) -> str:
        return self._network
