"""A made result of a long talk: every part there, numbers drawn by a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from affect_pipe.pipeline.records import Interval
from affect_pipe.pipeline.results.report.data import Measure, ReportData, Signals, Traces, Values

EMOTIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise", "no-emotion")
LABELS = ("negative", "neutral", "positive")
MODALITIES = ("text", "acoustic", "visual")
PAIRS = ("text-visual", "acoustic-visual", "text-acoustic")
WORDS = ["well", "I", "think", "that", "we", "have", "never", "really", "talked", "about"]
WORDS += ["what", "happened", "on", "that", "day", "when", "the", "letter", "came", "and"]
WORDS += ["nobody", "knew", "whom", "it", "was", "for", "but", "then", "a", "good", "summer"]
ATTENDED = 20


def made_talk(n_utterances: int = 800, duration_s: float = 3600.0, seed: int = 0) -> ReportData:
    """Return a talk of two speakers, with contributions, attention, sound, faces and measures."""
    rng = np.random.default_rng(seed)
    starts = np.linspace(1.0, duration_s - 6.0, n_utterances)
    lengths = rng.uniform(0.5, 0.95, n_utterances) * (starts[1] - starts[0])
    result = {
        "schema": "affect-pipe/1",
        "media": {
            "file": "long talk.mp4",
            "digest": "0123456789abcdef0123456789abcdef",
            "container": "mov,mp4,m4a,3gp,3g2,mj2",
            "duration_s": duration_s,
            "audio": {"codec": "aac", "sample_rate_hz": 48000, "n_channels": 2},
            "video": {
                "codec": "h264",
                "width_px": 1280,
                "height_px": 720,
                "average_rate_hz": 25.0,
                "rotation_deg": 0,
            },
        },
        "asr": {
            "source": "whisper",
            "model": "base",
            "language": "en",
            "word_times": "measured",
            "guesses": False,
            "warnings": [],
            "diarisation": "long talk.rttm",
        },
        "model": {"name": "made", "digest": "ff", "backbone": "cim", "licence": "none"},
        "features": [_feature(m) for m in MODALITIES],
        "utterances": [
            _utterance(rng, i, float(s), float(s + d))
            for i, (s, d) in enumerate(zip(starts, lengths, strict=True))
        ],
        "attention": {
            f"{pair}/{kind}": _attention(rng, n_utterances)
            for pair in PAIRS
            for kind in ("N1", "N2")
        },
        "warnings": ["this talk was made up"],
        "timings_s": {"total": 1.0},
    }
    return ReportData(result, _signals(rng, n_utterances, duration_s), version="test")


def _feature(modality: str) -> dict[str, Any]:
    return {
        "name": {"text": "minilm", "acoustic": "egemaps", "visual": "facemesh"}[modality],
        "modality": modality,
        "dim": 2,
        "columns": ["a", "b"],
        "version": "1",
        "settings": {},
        "model_id": "",
        "weights_digest": "",
    }


def _shares(rng: np.random.Generator, names: tuple[str, ...]) -> dict[str, float]:
    drawn = rng.dirichlet(np.ones(len(names)))
    return {name: round(float(share), 4) for name, share in zip(names, drawn, strict=True)}


def _utterance(rng: np.random.Generator, i: int, start_s: float, end_s: float) -> dict[str, Any]:
    shares = _shares(rng, LABELS)
    face = i % 17 != 0
    return {
        "index": i,
        "start_s": round(start_s, 3),
        "end_s": round(end_s, 3),
        "text": " ".join(rng.choice(WORDS, int(rng.integers(3, 25)))) + ".",
        "speaker": "Ann" if i % 3 else "Ben",
        "sentiment": {
            "label": max(shares, key=lambda name: shares[name]),
            "probabilities": shares,
            "intensity": round(float(rng.uniform(-3, 3)), 4),
        },
        "emotions": {
            name: {
                "probability": round(float(p), 4),
                "present": bool(p > 0.7),
                "intensity": round(3 * float(p), 4),
            }
            for name, p in zip(EMOTIONS, rng.uniform(0, 1, len(EMOTIONS)), strict=True)
        },
        "evidence": {"sufficient": face, "reasons": [] if face else ["no face to see"]},
        "modalities": {
            "text": {"present": True, "reason": None, "quality": {"asr_confidence": 0.9}},
            "acoustic": {
                "present": True,
                "reason": None,
                "quality": {"speech_s": round(end_s - start_s, 3), "snr_db": 31.5},
            },
            "visual": {
                "present": face,
                "reason": None if face else "no face in view",
                "quality": {"face_coverage": 0.97 if face else 0.0, "n_faces": 1.0},
            },
        },
        "contributions": {m: _contribution(rng) for m in MODALITIES},
    }


def _contribution(rng: np.random.Generator) -> dict[str, Any]:
    changes = [round(float(v), 4) for v in rng.uniform(-1, 1, 2 + 2 * len(EMOTIONS))]
    n = len(EMOTIONS)
    return {
        "sentiment": {
            "label_without": "neutral",
            "probability": changes[0],
            "intensity": changes[1],
        },
        "emotions": {
            "probability": dict(zip(EMOTIONS, changes[2 : 2 + n], strict=True)),
            "intensity": dict(zip(EMOTIONS, changes[2 + n :], strict=True)),
        },
    }


def _attention(rng: np.random.Generator, n: int) -> list[list[list[float]]]:
    rows = []
    for _ in range(n):
        kept = min(n, ATTENDED)
        columns = rng.choice(n, kept, replace=False)
        weights = np.sort(rng.dirichlet(np.ones(kept)))[::-1]
        pairs = zip(columns.tolist(), weights.tolist(), strict=True)
        rows.append([[j, round(w, 4)] for j, w in pairs if w >= 0.0001])
    return rows


def _signals(rng: np.random.Generator, n: int, duration_s: float) -> Signals:
    face = tuple(Measure(f"AU{k:02d}", f"AU{k:02d} made", "") for k in range(1, 21))
    voice = tuple(Measure(name, name, "dB") for name in ("pitch", "loudness", "jitter", "shimmer"))
    n_steps = int(duration_s * 10)
    return Signals(
        waveform=rng.integers(0, 200, int(duration_s * 10), np.uint8),
        waveform_step_s=0.1,
        speech=tuple(Interval(t, t + 3.0) for t in np.arange(1.0, duration_s - 4.0, 4.0).tolist()),
        faces=(rng.uniform(size=n_steps) > 0.001).astype(np.uint8),
        faces_step_s=0.1,
        values=(
            Values("visual", "facemesh", face, rng.uniform(0, 1, (n, 20)).astype(np.float32)),
            Values("acoustic", "egemaps", voice, rng.normal(size=(n, 4)).astype(np.float32)),
        ),
        traces=(
            Traces(
                *("visual", "facemesh", face, 0.1),
                rng.uniform(0, 1, (n_steps, 20)).astype(np.float32),
            ),
            Traces(
                *("acoustic", "egemaps", voice, 0.1),
                rng.normal(size=(n_steps, 4)).astype(np.float32),
            ),
        ),
    )
