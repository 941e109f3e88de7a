"""Where somebody speaks: Silero VAD from the weights its package carries.

The package runs its network window by window through TorchScript. Here the same weights run as
plain PyTorch layers over many windows at once, which is several times faster; a test holds the
two together. What becomes of the probabilities is the package's own code.

Silero Team (2024), "Silero VAD: pre-trained enterprise-grade Voice Activity Detector", MIT licence.
"""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affect_pipe.pipeline.errors import MissingDependencyError
from affect_pipe.pipeline.mapped import letting_go
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import Audio, FloatArray, Interval, StageSpec
from affect_pipe.pipeline.timebase import samples_to_seconds

if TYPE_CHECKING:
    from torch import Tensor

VERSION = "1"
WINDOW = 512  # samples at 16 kHz, one probability each
CONTEXT = 64  # samples of the window before that the network also sees
_REFLECTED = 64  # samples mirrored at the end of each window
_N_BINS = 129
# What the 16 kHz half of the package's model calls its weights. The safetensors file beside it
# holds an older model.
_STORED_AS = {
    "stft.weight": "_model.stft.forward_basis_buffer",
    **{
        f"conv{i + 1}.{kind}": f"_model.encoder.{i}.reparam_conv.{kind}"
        for i in range(4)
        for kind in ("weight", "bias")
    },
    "final.weight": "_model.decoder.decoder.2.weight",
    "final.bias": "_model.decoder.decoder.2.bias",
}
# Windows that go through the network at once: 16 s of audio, about 30 MB of activations.
_BATCH = 512


class SileroVAD:
    """Voice activity by Silero VAD.

    Parameters
    ----------
    threshold : float
        Probability in (0, 1) above which a window is speech; 0.15 less ends it again.
    min_speech_s, min_silence_s : float
        Shorter speech is dropped, shorter silence bridged.
    pad_s : float
        Added to both ends of speech.
    """

    def __init__(
        self,
        threshold: float = 0.5,
        min_speech_s: float = 0.25,
        min_silence_s: float = 0.1,
        pad_s: float = 0.03,
    ) -> None:
        self._settings = {
            "threshold": threshold,
            "min_speech_s": min_speech_s,
            "min_silence_s": min_silence_s,
            "pad_s": pad_s,
        }

    def spec(self) -> StageSpec:
        """Name the settings and the package's weights."""
        return StageSpec(
            stage="voice-activity",
            extractor="silero-vad",
            version=VERSION,
            backend=f"silero-vad {version('silero-vad')}",
            settings=dict(self._settings),
            model_id="silero_vad.jit",
            weights_digest=self._weights_digest,
        )

    @cached_property
    def _weights_digest(self) -> str:
        return hashlib.blake2b(_weights_path().read_bytes(), digest_size=16).hexdigest()

    @cached_property
    def _network(self) -> Any:
        return _build_network(_weights_path())

    def detect(self, audio: Audio) -> tuple[Interval, ...]:
        """Return disjoint intervals of speech in order, on the media's clock.

        Raises
        ------
        ValueError
            If the audio is not at 16 kHz.
        """
        if audio.sample_rate_hz != 16000:
            raise ValueError(f"Silero VAD needs 16000 Hz, got {audio.sample_rate_hz}")
        if len(audio.samples) == 0:
            return ()
        found = _timestamps(
            speech_probabilities(audio.samples, self._network).tolist(),
            threshold=self._settings["threshold"],
            min_speech_duration_ms=round(1000 * self._settings["min_speech_s"]),
            min_silence_duration_ms=round(1000 * self._settings["min_silence_s"]),
            speech_pad_ms=round(1000 * self._settings["pad_s"]),
            audio_length_samples=len(audio.samples),
        )
        return tuple(
            Interval(
                max(0.0, audio.start_s + samples_to_seconds(item["start"], 16000)),
                max(0.0, audio.start_s + samples_to_seconds(item["end"], 16000)),
            )
            for item in found
        )


def _weights_path() -> Path:
    # The package itself is not imported: that costs a second, and `spec` must be cheap.
    package = importlib.util.find_spec("silero_vad")
    if package is None or package.origin is None:
        raise MissingDependencyError(
            "voice activity needs the module 'silero_vad', which is not installed: "
            "pip install --force-reinstall affect-pipe."
        )
    path = Path(package.origin).parent / "data" / "silero_vad.jit"
    if not path.is_file():
        raise MissingDependencyError(
            f"voice activity needs {path}, which this version of silero-vad lacks: "
            'pip install --upgrade "silero-vad>=6.2.3".'
        )
    return path


def _timestamps(probabilities: list[float], **settings: Any) -> list[dict[str, int]]:
    """Turn probabilities into stretches of speech, in samples, with the package's own rules."""
    torch = require("torch", feature="voice activity")
    # Importing the package sets the number of threads of the whole process to one.
    n_threads = torch.get_num_threads()
    vad = require("silero_vad.utils_vad", feature="voice activity")
    torch.set_num_threads(n_threads)
    found: list[dict[str, int]] = vad.get_speech_timestamps_from_probs(probabilities, **settings)
    return found


def _build_network(path: Path) -> dict[str, Any]:
    """Load the weights; the layers are few enough to call by name."""
    torch = require("torch", feature="voice activity")
    with warnings.catch_warnings():
        # PyTorch announces the end of TorchScript at every load.
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=Warning)
        state = torch.jit.load(str(path), map_location="cpu").state_dict()
    weights = {name: state[stored].detach().clone() for name, stored in _STORED_AS.items()}
    lstm = torch.nn.LSTM(128, 128)
    cell = "_model.decoder.rnn."
    lstm.load_state_dict(
        {f"{k.removeprefix(cell)}_l0": v for k, v in state.items() if k.startswith(cell)}
    )
    return {**weights, "lstm": lstm.eval()}


def speech_probabilities(samples: FloatArray, network: dict[str, Any]) -> FloatArray:
    """Probability of speech in each window of 512 samples.

    Parameters
    ----------
    samples : float32 [n_samples]
        At 16 kHz; only a batch of windows is read at a time.
    network : dict
        As built from the weights.

    Returns
    -------
    float32 [ceil(n_samples / 512)]
    """
    torch = require("torch", feature="voice activity")
    state: tuple[Tensor, Tensor] | None = None
    probabilities = []
    with torch.inference_mode():
        for batch in letting_go(samples, _windows(samples)):
            encoded = _encode(torch.from_numpy(batch), network)
            hidden, state = network["lstm"](encoded[:, None, :], state)
            logits = torch.nn.functional.conv1d(
                hidden.squeeze(1).relu()[:, :, None],
                network["final.weight"],
                network["final.bias"],
            )
            probabilities.append(logits.sigmoid().flatten().numpy())
    return np.concatenate(probabilities) if probabilities else np.zeros(0, np.float32)


def _windows(samples: FloatArray) -> Iterator[FloatArray]:
    """Yield float32 [up to 512, context + window], silence before the start and after the end."""
    n_windows = -(-len(samples) // WINDOW)
    for first in range(0, n_windows, _BATCH):
        last = min(first + _BATCH, n_windows)
        start, end = first * WINDOW - CONTEXT, last * WINDOW
        stretch = np.zeros(end - start, np.float32)
        seen = samples[max(start, 0) : end]
        offset = max(start, 0) - start
        stretch[offset : offset + len(seen)] = seen
        view = np.lib.stride_tricks.sliding_window_view(stretch, CONTEXT + WINDOW)[::WINDOW]
        yield view.copy()


def _encode(windows: Tensor, network: dict[str, Any]) -> Tensor:
    """Spectrum and four convolutions: float32 [n, 576] -> [n, 128]."""
    torch = require("torch", feature="voice activity")
    functional = torch.nn.functional
    x = functional.pad(windows[:, None, :], (0, _REFLECTED), mode="reflect")
    x = functional.conv1d(x, network["stft.weight"], stride=128)
    x = (x[:, :_N_BINS].square() + x[:, _N_BINS:].square()).sqrt()
    for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
        weight, bias = network[f"{name}.weight"], network[f"{name}.bias"]
        x = functional.conv1d(x, weight, bias, stride=stride, padding=1).relu()
    encoded: Tensor = x.squeeze(-1)
    return encoded
