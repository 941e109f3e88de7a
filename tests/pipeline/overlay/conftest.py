"""Results of videos made on the fly, with faces where the test puts them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from affect_pipe.pipeline.media import probe
from affect_pipe.pipeline.overlay.faces import FaceTracks
from affect_pipe.pipeline.records import (
    EmotionPrediction,
    FeatureBlock,
    FeatureSpec,
    ModelInfo,
    Prediction,
    Transcript,
    Utterance,
    UtterancePrediction,
    VideoFeatures,
    VideoResult,
)

EMOTIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise", "no-emotion")
FACE = {"face_track": 0, "face_of_speaker": 0, "n_faces": 1, "speaker_confidence": 1}
FACE |= {"face_coverage": 1, "face_x0": 0.2, "face_y0": 0.2, "face_x1": 0.5, "face_y1": 0.8}


def _block(name: str, modality: str, n: int, **quality: float) -> FeatureBlock:
    spec = FeatureSpec(name, modality, 1, ("a",), "1")  # type: ignore[arg-type]
    columns = {key: np.full(n, value, np.float32) for key, value in quality.items()}
    values, present = np.ones((n, 1), np.float32), np.ones(n, np.bool_)
    return FeatureBlock(spec, values, present, (None,) * n, columns)


@pytest.fixture(scope="session")
def make_result() -> Callable[..., VideoResult]:
    """The result of a video in which things are said: ``(start_s, end_s, text)`` each."""

    def make(path: Path, said: Sequence[tuple[float, float, str]] = ()) -> VideoResult:
        utterances = tuple(Utterance(k, *spoken) for k, spoken in enumerate(said))
        judged = UtterancePrediction(
            "positive",
            {"negative": 0.1, "neutral": 0.1, "positive": 0.8},
            1.5,
            {name: EmotionPrediction(0.5, False, 1.0) for name in EMOTIONS},
        )
        blocks = {
            "text": _block("minilm", "text", len(said)),
            "acoustic": _block("egemaps", "acoustic", len(said)),
            "visual": _block("facemesh", "visual", len(said), **FACE),
        }
        return VideoResult(
            media=probe(path),
            transcript=Transcript((), "srt"),
            features=VideoFeatures(utterances, blocks),  # type: ignore[arg-type]
            prediction=Prediction((judged,) * len(said)),
            model=ModelInfo("starter", "00", "cim", "none"),
        )

    return make


@pytest.fixture(scope="session")
def no_faces() -> FaceTracks:
    """A video in which nobody is seen."""
    none = np.zeros(0)
    empty = np.zeros((0, 4), np.float32), np.zeros((0, 0), np.float32)
    return FaceTracks(none, none, none.astype(np.int32), *empty, ())


@pytest.fixture(scope="session")
def frames_of() -> Callable[..., np.ndarray]:
    """Decode a video's pictures with the ffmpeg program: uint8 [n, height, width, 3], RGB."""

    def decode(path: Path, width: int, height: int, *options: object) -> np.ndarray:
        done = _run("-i", path, *options, "-fps_mode", "passthrough", "-pix_fmt", "rgb24")
        return np.frombuffer(done, np.uint8).reshape(-1, height, width, 3)

    return decode


@pytest.fixture(scope="session")
def sound_of() -> Callable[[Path], np.ndarray]:
    """Decode a file's sound with the ffmpeg program: float32, mono, 16 kHz, from time 0 on."""

    def decode(path: Path) -> np.ndarray:
        import av

        with av.open(str(path)) as container:
            start_s = (container.start_time or 0) / 1e6
        # Stamps as they are in the file: the program would count from the first sample.
        shifted = f"asetpts=PTS-{start_s}/TB,aresample=async=1:first_pts=0"
        told = ("-vn", "-af", shifted, "-ac", 1, "-ar", 16000, "-c:a", "pcm_f32le")
        return np.frombuffer(_run("-copyts", "-i", path, *told, form="f32le"), np.float32)

    return decode


def _run(*arguments: object, form: str = "rawvideo") -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-nostdin"]
    command += [*map(str, arguments), "-f", form, "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture(scope="session")
def described() -> Callable[[Path], dict]:
    """What PyAV says of a file's streams, and when each of its pictures is shown."""

    def describe(path: Path) -> dict:
        import av

        with av.open(str(path)) as container:
            start_s = (container.start_time or 0) / 1e6
            video = container.streams.video[0]
            audio = next(iter(container.streams.audio), None)
            times = [f.time - start_s for f in container.decode(video)]
            # Matroska does not say how long a stream is.
            ends = [(s.start_time or 0) + (s.duration or 0) for s in container.streams]
            return {
                "times_s": np.array(times),
                "ends_s": [
                    float(end * s.time_base) for end, s in zip(ends, container.streams, strict=True)
                ],
                "size": (video.codec_context.width, video.codec_context.height),
                "codecs": [s.codec_context.name for s in container.streams],
                "pixels": video.codec_context.pix_fmt,
                "audio_hz": audio.rate if audio is not None else None,
            }

    return describe
