"""Words by openai-whisper.

Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from affect_pipe.extractors.speech.guards import doubts_told
from affect_pipe.extractors.speech.regions import speech_regions
from affect_pipe.extractors.speech.whisper_batch import decode_batch
from affect_pipe.extractors.speech.whisper_segments import (
    Task,
    judged,
    language_code,
    stretches,
    written_in,
)
from affect_pipe.extractors.speech.whisper_weights import (
    DEFAULT_SIZE,
    SIZES,
    check_size,
    verified_weights,
    weights_available,
)
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.mapped import letting_go
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import Audio, Interval, Segment, StageSpec, Transcript
from affect_pipe.pipeline.timebase import slice_audio

__all__ = ["DEFAULT_SIZE", "Whisper", "weights_available"]

VERSION = "2"
_SILENCE_S = 2.0
_BATCH = {"cuda": 16, "mps": 16, "cpu": 1}
# Windows to be heard at once: Whisper hears 30 s. Pauses within a sentence are bridged.
_WINDOW_S = 29.0
_BRIDGE_S = 1.0
_PAD_S = 0.2


class Whisper:
    """Speech recognition by openai-whisper.

    Parameters
    ----------
    model : str
        A size (``tiny`` ... ``large``, ``turbo``; ``.en`` for English alone) or the path of a
        checkpoint in the package's format.
    language : str, optional
        Code ("de") or English name ("german"); detected when None.
    task : {"transcribe", "translate"}
        Write what is said, or its English translation.
    device : str, optional
        Where to compute; a GPU when there is one.
    allow_download : bool
        Whether missing weights may be fetched.
    batch_size : int, optional
        Stretches of speech that go through the network at once. 1 lets Whisper slide its own
        window over longer stretches; by default 1 on a CPU and 16 on a GPU.

    Raises
    ------
    UsageError
        If the model is neither a size nor a path.
    """

    def __init__(
        self,
        model: str = DEFAULT_SIZE,
        *,
        language: str | None = None,
        task: Task = "transcribe",
        device: str | None = None,
        allow_download: bool = True,
        batch_size: int | None = None,
    ) -> None:
        check_size(model)
        self._size = model
        self._language = language
        self._task = task
        self._device = device
        self._allow_download = allow_download
        self._batch_size = batch_size

    def spec(self) -> StageSpec:
        """Name the model; published sizes are told by name, other files by their digest."""
        official = self._size in SIZES
        return StageSpec(
            stage="speech",
            extractor="whisper",
            version=VERSION,
            backend=f"openai-whisper {version('openai-whisper')}",
            settings={
                "language": self._language,
                "task": self._task,
                "batch_size": self._batch_size,
            },
            model_id=f"whisper-{Path(SIZES[self._size]).stem}" if official else "whisper-file",
            weights_digest="" if official else self._file_digest,
        )

    @cached_property
    def _file_digest(self) -> str:
        path = verified_weights(self._size)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]

    @property
    def _model(self) -> Any:
        path = verified_weights(self._size, allow_download=self._allow_download)
        return load_model(path, self._device)

    def transcribe(self, source: Source) -> Transcript:
        """Return the words of a video, with their times and probabilities.

        Raises
        ------
        MissingWeightsError
            If the weights are neither here nor within reach.
        UsageError
            If the language is unknown to Whisper, or a file of weights is none of Whisper's.
        """
        name = Path(self._size).name
        audio = source.audio
        if audio is None or not source.voice_activity:
            return Transcript((), "whisper", name)
        language = language_code(self._language)
        segments: list[Segment] = []
        model = self._model
        size = self._batch_size or _BATCH[model.device.type]
        batches = _batches(source.voice_activity, audio, size)
        for batch in letting_go(audio.samples, batches):
            heard: list[list[dict[str, Any]] | None] = [None]
            if size > 1:
                heard, language = _quietly(decode_batch, model, audio, batch, language, self._task)
            for stretch, said in zip(batch, heard, strict=True):
                if said is None:
                    found = _quietly(_decode, model, audio, stretch, language, self._task)
                    language, said = language or found["language"], found["segments"]
                segments += judged(said, stretch.start_s, source.voice_activity)
        return Transcript(
            segments=tuple(segments),
            source="whisper",
            model=name,
            language=written_in(language, self._task),
            word_times="measured",
            warnings=tuple(doubts_told(segments)),
        )

    def signed(self, transcript: Transcript) -> Transcript:
        """Name the model as this run does: one file may lie under several names."""
        return replace(transcript, model=Path(self._size).name)


# Videos of one run are recognised one after another with the same model.
@lru_cache(maxsize=1)
def load_model(path: Path, device: str | None = None) -> Any:
    """Load a checkpoint in the format of the whisper package (tensors alone, no code).

    Raises
    ------
    UsageError
        If the file is no Whisper checkpoint.
    """
    whisper = require("whisper", feature="speech recognition with Whisper")
    try:
        # load_model of this package version passes weights_only=True to torch.load.
        model = whisper.load_model(str(path), device=device)
    except Exception as error:
        # A stranger's file can fail anywhere in being unpacked; the kind of error tells nothing.
        raise UsageError(
            f"{path} is no readable Whisper checkpoint ({type(error).__name__}): expected a .pt "
            "file of the whisper package; download it again."
        ) from error
    heads = whisper._ALIGNMENT_HEADS.get(path.stem)
    if heads is not None:
        # Somebody's own model under a published name keeps upstream's default, its last layers.
        with contextlib.suppress(RuntimeError):
            model.set_alignment_heads(heads)
    return model


def _batches(
    voice_activity: Sequence[Interval], audio: Audio, size: int
) -> Iterator[list[Interval]]:
    """Yield stretches of speech to be heard at once: windows of Whisper's, or one long stretch."""
    if size == 1:
        yield from ([stretch] for stretch in stretches(voice_activity))
        return
    windows = speech_regions(
        voice_activity, audio, bridge_s=_BRIDGE_S, pad_s=_PAD_S, max_s=_WINDOW_S
    )
    while batch := list(islice(windows, size)):
        yield batch


def _quietly(decode: Callable[..., Any], model: Any, *args: Any) -> Any:
    """Decode with the same samples every time (Whisper samples when it is unsure)."""
    torch = require("torch", feature="speech recognition with Whisper")
    on_gpu = model.device.type == "cuda"
    with torch.random.fork_rng(devices=[model.device] if on_gpu else []), warnings.catch_warnings():
        torch.manual_seed(0)
        warnings.filterwarnings("ignore", message="Failed to launch Triton kernels")
        warnings.filterwarnings("ignore", message="Performing inference on CPU")
        return decode(model, *args)


def _decode(
    model: Any, audio: Audio, stretch: Interval, language: str | None, task: Task
) -> dict[str, Any]:
    # A copy: the decoded audio may be a read-only map of a file.
    samples = np.array(slice_audio(audio, stretch.start_s, stretch.end_s), dtype=np.float32)
    found: dict[str, Any] = model.transcribe(
        samples,
        word_timestamps=True,
        language=language if model.is_multilingual else "en",
        task=task,
        fp16=model.device.type == "cuda",
        # A slip then stays in its window instead of being repeated through the rest.
        condition_on_previous_text=False,
        hallucination_silence_threshold=_SILENCE_S,
    )
    return found
