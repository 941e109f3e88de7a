"""What a page draws over time: the recording on coarse grids, utterances measure by measure."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.records import Audio, FeatureBlock, FloatArray
from affect_pipe.pipeline.results.report.data import Bytes, Traces, Values
from affect_pipe.pipeline.results.report.measures import readable, zero_is_absent

Floats = npt.NDArray[np.float64]

# Ten values a second, as faces are looked at; coarser where that would be more than this many.
STEP_S = 0.1
MAX_STEPS = 72_000
BRIDGED = 2
PEAK_STEP_S = 0.02
MAX_PEAKS = 40_000


def grid_step_s(duration_s: float, finest_s: float, most: int) -> float:
    """Return the seconds of a step, so that ``duration_s`` has at most ``most`` of them."""
    return finest_s * max(1, math.ceil(duration_s / finest_s / most))


def waveform(audio: Audio, duration_s: float) -> tuple[Bytes, float]:
    """Return the peaks uint8 [n] of a recording, of 255, and the seconds each stands for."""
    step_s = grid_step_s(duration_s, PEAK_STEP_S, MAX_PEAKS)
    size = max(1, round(step_s * audio.sample_rate_hz))
    n_lead = round(audio.start_s / step_s)
    n = math.ceil(len(audio.samples) / size)
    peaks = np.zeros(n_lead + n, np.uint8)
    for number in range(n):  # a memory map of hours is read piece by piece
        piece = audio.samples[number * size : (number + 1) * size]
        peaks[n_lead + number] = round(255 * min(1.0, float(np.abs(piece).max())))
    return peaks, step_s


def values_of(block: FeatureBlock) -> Values | None:
    """Return what can be read of a feature's utterance vectors; None where nothing can."""
    chosen = readable(block.spec.columns, means=True)
    if not chosen:
        return None
    places = [place for place, _ in chosen]
    values = np.where(block.present[:, None], block.values[:, places], np.float32(np.nan))
    return Values(block.spec.modality, block.spec.name, tuple(m for _, m in chosen), values)


def traces_of(table: FrameTable, duration_s: float) -> Traces | None:
    """Return what can be read of a feature's frames; None where nothing can.

    Of several faces in a frame, the one that is taken for the speaker's.
    """
    chosen = readable(table.columns, means=False)
    if not chosen or not len(table.time_s):
        return None
    rows = np.ones(len(table.time_s), bool)
    if "speaking" in table.labels:
        rows = np.array([cell == 1 for cell in table.labels["speaking"]], bool)
    step_s = grid_step_s(duration_s, STEP_S, MAX_STEPS)
    columns = []
    for place, _ in chosen:
        frames = np.asarray(table.values[rows, place], np.float64)
        if zero_is_absent(table.columns[place]):
            frames = np.where(frames == 0.0, np.nan, frames)
        steps = _binned(table.time_s[rows], frames, duration_s, step_s)
        # Faces are looked at about once a step: some steps have none of them, others two.
        columns.append(_bridged(steps) if table.spec.modality == "visual" else steps)
    return Traces(
        table.spec.modality,
        table.spec.name,
        tuple(measure for _, measure in chosen),
        step_s,
        np.stack(columns, axis=1),
    )


def faces_in_view(table: FrameTable, duration_s: float) -> tuple[Bytes, float]:
    """Count faces: most in any frame of each step, uint8 [n], and the seconds of a step."""
    step_s = grid_step_s(duration_s, STEP_S, MAX_STEPS)
    counts = np.zeros(_n_steps(duration_s, step_s), np.uint8)
    times, faces = np.unique(table.time_s, return_counts=True)
    steps = _steps(times, step_s, len(counts))
    np.maximum.at(counts, steps, np.minimum(faces, 255).astype(np.uint8))
    seen = np.where(counts > 0, counts, np.nan)
    return np.nan_to_num(_bridged(seen.astype(np.float32))).round().astype(np.uint8), step_s


def _binned(time_s: Floats, values: Floats, duration_s: float, step_s: float) -> FloatArray:
    n = _n_steps(duration_s, step_s)
    known = np.isfinite(values)
    steps = _steps(time_s[known], step_s, n)
    count = np.bincount(steps, minlength=n)
    total = np.bincount(steps, weights=values[known], minlength=n)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(count > 0, total / count, np.nan), np.float32)


def _bridged(values: FloatArray) -> FloatArray:
    """Fill steps without a value between two that have one, `BRIDGED` at most, by a line."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return values
    steps = np.arange(len(values))
    after = np.searchsorted(known, steps)
    before = known[np.clip(after - 1, 0, len(known) - 1)]
    following = known[np.clip(after, 0, len(known) - 1)]
    short = (before < steps) & (following > steps) & (following - before <= BRIDGED + 1)
    line = np.interp(steps, known, values[known])
    return np.asarray(np.where(short, line, values), np.float32)


def _n_steps(duration_s: float, step_s: float) -> int:
    return max(1, math.ceil(duration_s / step_s - 1e-9))


def _steps(time_s: Floats, step_s: float, n: int) -> npt.NDArray[np.int64]:
    # Time stamps fall on the borders of steps up to rounding.
    steps = np.floor(time_s / step_s + 1e-6).astype(np.int64)
    clipped: npt.NDArray[np.int64] = np.clip(steps, 0, n - 1)
    return clipped
