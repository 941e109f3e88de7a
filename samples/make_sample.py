"""Make samples/talking.mp4 and samples/talking.srt from public-domain material.

    pip install scikit-image        # carries the portrait
    apt-get install espeak-ng       # speaks the script
    python samples/make_sample.py

Both are needed by this script alone. The same versions of them, of FFmpeg and of MediaPipe give the
same bytes again. See samples/README.md for origin and licences.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cv2
import mediapipe
import numpy as np
import numpy.typing as npt
import skimage.data
import srt
from face_puppet import FacePuppet

from affect_pipe.pipeline.ffmpeg import ffmpeg_binary

HERE = Path(__file__).parent
RATE_HZ = 25
SIDE_PX = 480
VOICE = "en-us+f3"
PAUSE_S = 0.8
# The part of the portrait with head and shoulders: left, top, side.
CROP_PX = (112, 8, 224)

EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {"unsmile": 1.0},
    "happy": {"unsmile": 0.15, "grin": 1.0},
    "sad": {"unsmile": 1.0, "frown": 1.0, "inner brows up": 1.0, "lids narrow": 0.5},
    "surprised": {"unsmile": 1.0, "brows up": 1.0, "lids wide": 1.0, "jaw down": 0.35},
    "angry": {
        "unsmile": 1.0,
        "brows down": 1.0,
        "lips pressed": 0.8,
        "lids narrow": 0.7,
        "frown": 0.4,
    },
}


@dataclass(frozen=True)
class Line:
    """One sentence of the script: words, expression, and how espeak-ng is to say it."""

    text: str
    expression: str
    words_per_minute: int
    pitch: int
    amplitude: int


SCRIPT = (
    Line("On Monday I took my old bicycle to the repair shop.", "neutral", 155, 50, 90),
    Line("They fixed it in an hour, and it rides beautifully. I love it!", "happy", 170, 68, 120),
    Line("Then, oh wow, there was a letter hidden under the seat!", "surprised", 175, 78, 130),
    Line("It said that my old teacher has died. I will miss him so much.", "sad", 125, 35, 70),
    Line("And nobody told me. I am furious that they kept it secret!", "angry", 185, 45, 160),
    Line("On Tuesday I rode to the library and returned two books.", "neutral", 155, 50, 90),
    Line("It was awful weather, and the whole day felt empty and sad.", "sad", 130, 36, 75),
    Line("But today my friends are visiting, and I am so happy!", "happy", 170, 70, 120),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        speech, cues, sample_rate_hz = speak(SCRIPT, Path(folder))
        sound = Path(folder) / "speech.wav"
        write_wav(sound, speech, sample_rate_hz)
        frames = draw(speech, cues, sample_rate_hz)
        encode(frames, sound, HERE / "talking.mp4")
    subtitles = [
        srt.Subtitle(i, timedelta(seconds=start_s), timedelta(seconds=end_s), line.text)
        for i, (line, start_s, end_s) in enumerate(cues, start=1)
    ]
    (HERE / "talking.srt").write_text(srt.compose(subtitles), encoding="utf-8", newline="\n")


Cue = tuple[Line, float, float]


def speak(script: tuple[Line, ...], folder: Path) -> tuple[npt.NDArray[np.float32], list[Cue], int]:
    """Return the whole soundtrack, when each line starts and ends, and the sample rate."""
    pieces: list[npt.NDArray[np.float32]] = []
    cues: list[Cue] = []
    rate_hz, time_s = 22050, 0.0
    for line in script:
        path = folder / "line.wav"
        command = ["espeak-ng", "-v", VOICE, "-s", str(line.words_per_minute)]
        command += ["-p", str(line.pitch), "-a", str(line.amplitude), "-w", str(path), line.text]
        subprocess.run(command, check=True)
        samples, rate_hz = read_wav(path)
        samples = trim(samples)
        pause = np.zeros(int(PAUSE_S * rate_hz), np.float32)
        start_s = time_s + PAUSE_S
        time_s = start_s + len(samples) / rate_hz
        pieces += [pause, samples]
        cues.append((line, start_s, time_s))
    pieces.append(np.zeros(int(PAUSE_S * rate_hz), np.float32))
    speech = np.concatenate(pieces)
    # Room noise 60 dB down: digital silence exists in no recording.
    speech += np.random.default_rng(0).normal(0, 1e-3, len(speech)).astype(np.float32)
    return 0.8 * speech / np.abs(speech).max(), cues, rate_hz


def read_wav(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    with wave.open(str(path), "rb") as file:
        content = file.readframes(file.getnframes())
        return np.frombuffer(content, "<i2").astype(np.float32) / 32768, file.getframerate()


def write_wav(path: Path, samples: npt.NDArray[np.float32], rate_hz: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())


def trim(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cut the silence before and after the words."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1]


def draw(
    speech: npt.NDArray[np.float32], cues: list[Cue], sample_rate_hz: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the frames: the face follows the script, the mouth the sound."""
    image, landmarks = portrait()
    puppet = FacePuppet(image, landmarks)
    n_frames = int(len(speech) / sample_rate_hz * RATE_HZ)
    openness = mouth_openness(speech, cues, sample_rate_hz, n_frames)
    centre = landmarks[:468].mean(axis=0)
    for n in range(n_frames):
        time_s = n / RATE_HZ
        weights = dict(expression_at(time_s, cues))
        weights["jaw down"] = weights.get("jaw down", 0.0) + 0.75 * float(openness[n])
        weights["blink"] = blink_at(time_s)
        yield move_head(puppet.render(weights), centre, time_s)


def portrait() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Return head and shoulders at the size of the video, and FaceMesh's landmarks on them."""
    whole = skimage.data.astronaut()
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True
    ) as mesh:
        found = mesh.process(whole).multi_face_landmarks[0].landmark
    height, width = whole.shape[:2]
    points = np.array([(p.x * width, p.y * height) for p in found])
    left, top, side = CROP_PX
    scale = SIDE_PX / side
    crop = np.ascontiguousarray(whole[top : top + side, left : left + side])
    image = cv2.resize(crop, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LANCZOS4)
    return image, (points - (left, top) + 0.5) * scale - 0.5


def mouth_openness(
    speech: npt.NDArray[np.float32], cues: list[Cue], sample_rate_hz: int, n_frames: int
) -> npt.NDArray[np.float32]:
    """Return, for each frame, how far the sound opens the mouth, in [0, 1]."""
    edges = (np.arange(n_frames + 1) / RATE_HZ * sample_rate_hz).astype(int)
    level = np.array([np.sqrt(np.mean(speech[a:b] ** 2)) for a, b in itertools.pairwise(edges)])
    relative = np.zeros(n_frames)
    for _, start_s, end_s in cues:
        # Against the line's own level: lips move in quiet speech too.
        line = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
        relative[line] = np.clip(level[line] / np.percentile(level[line], 85), 0, 1)
    # Faint sounds are consonants and noise: lips together.
    opened = np.clip((relative - 0.12) / 0.88, 0, 1)
    smooth: npt.NDArray[np.float32] = np.convolve(opened, [0.25, 0.5, 0.25], mode="same")
    return smooth


def expression_at(time_s: float, cues: list[Cue]) -> Mapping[str, float]:
    """Blend expressions: each is put on before its line and taken off after it."""
    weights: dict[str, float] = {}
    left = 1.0
    for line, start_s, end_s in cues:
        rise = smooth_step((time_s - (start_s - 0.5)) / 0.5)
        fall = smooth_step(((end_s + 0.3) - time_s) / 0.4)
        share = min(rise, fall)
        # Held, but not frozen.
        share *= 0.93 + 0.07 * np.sin(2 * np.pi * 0.9 * (time_s - start_s))
        left -= share
        for action, weight in EXPRESSIONS[line.expression].items():
            weights[action] = weights.get(action, 0.0) + share * weight
    for action, weight in EXPRESSIONS["neutral"].items():
        weights[action] = weights.get(action, 0.0) + max(left, 0.0) * weight
    return weights


def smooth_step(x: float) -> float:
    x = float(np.clip(x, 0.0, 1.0))
    return x * x * (3 - 2 * x)


def blink_at(time_s: float) -> float:
    """Return how far the eyes are shut: a blink of a quarter second every few seconds."""
    times_s = np.cumsum([1.9, 3.1, 2.6, 3.7, 2.9, 3.4, 2.3, 3.3, 2.7, 3.6, 3.0, 2.5, 3.2, 3.5])
    distance_s = float(np.abs(times_s - time_s).min())
    return smooth_step(1.0 - distance_s / 0.13)


def move_head(
    image: npt.NDArray[np.uint8], centre: npt.NDArray[np.float64], time_s: float
) -> npt.NDArray[np.uint8]:
    """Sway and nod a little; the shoulders and the edges of the picture stay where they are."""
    turn = np.deg2rad(2.0) * np.sin(2 * np.pi * 0.17 * time_s + 0.5)
    shift = (4.0 * np.sin(2 * np.pi * 0.13 * time_s), 2.5 * np.sin(2 * np.pi * 0.29 * time_s))
    columns, rows = np.meshgrid(*(np.arange(SIDE_PX, dtype=np.float32),) * 2)
    x, y = columns - centre[0], rows - centre[1]
    # 1 on the head, 0 at the edges and below the chin.
    distance = np.sqrt((x / 215) ** 2 + (np.where(y > 0, y / 205, y / 185)) ** 2)
    hold = np.clip((1.0 - distance) / 0.45, 0, 1)
    hold = hold * hold * (3 - 2 * hold)
    moved_x = columns + hold * (x * (np.cos(turn) - 1) + y * np.sin(turn) - shift[0])
    moved_y = rows + hold * (y * (np.cos(turn) - 1) - x * np.sin(turn) - shift[1])
    maps = moved_x.astype(np.float32), moved_y.astype(np.float32)
    return cv2.remap(image, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def encode(frames: Iterator[npt.NDArray[np.uint8]], sound: Path, target: Path) -> None:
    """Write frames and sound as H.264 and AAC."""
    command = [ffmpeg_binary(), "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{SIDE_PX}x{SIDE_PX}", "-r", str(RATE_HZ), "-i", "-", "-i", str(sound)]
    # One thread and no time stamps of its own: the same bytes every time.
    command += ["-c:v", "libx264", "-preset", "slow", "-crf", "23", "-pix_fmt", "yuv420p"]
    command += ["-threads", "1", "-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart"]
    command += ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
    process = subprocess.Popen([*command, str(target)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    for frame in frames:
        process.stdin.write(frame.tobytes())
    process.stdin.close()
    if process.wait() != 0:
        raise SystemExit("ffmpeg failed")


if __name__ == "__main__":
    main()
