"""All 74 columns of a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affect_pipe.extractors.acoustic.covarep import gci, grid, srh
from affect_pipe.extractors.acoustic.covarep.columns import INDEX, NAMES
from affect_pipe.extractors.acoustic.covarep.creak import creak
from affect_pipe.extractors.acoustic.covarep.dispersion import maxima_dispersion
from affect_pipe.extractors.acoustic.covarep.harmonic import analyse_harmonics
from affect_pipe.extractors.acoustic.covarep.iaif import glottal_flow
from affect_pipe.extractors.acoustic.covarep.lpc import residual
from affect_pipe.extractors.acoustic.covarep.mcep import stretch_to_rows
from affect_pipe.extractors.acoustic.covarep.peak_slope import FIRST, peak_slope
from affect_pipe.extractors.acoustic.covarep.phase_distortion import circular_midpoints
from affect_pipe.extractors.acoustic.covarep.polarity import polarity
from affect_pipe.extractors.acoustic.covarep.pulse import pulse_measures

_RESIDUAL_ORDER = 18
# The first pitch frame is centred at 50 ms.
_FIRST_PITCH = 5
# What the pitch track says where there is no candidate: digital silence.
_NO_PITCH_HZ = 1.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CovarepMatrix:
    """The measures of a recording, one row every 10 ms.

    Parameters
    ----------
    time_s
        Times of the rows `[n_rows]`, float64: 0.005, 0.015, 0.025 ...
    values
        `[n_rows, 74]`, float64; columns and units as in `columns.COLUMNS`.
    """

    time_s: Array
    values: Array

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.time_s), len(NAMES)):
            raise ValueError(
                f"CovarepMatrix needs {len(self.time_s)} rows of {len(NAMES)} values for its "
                f"times, got {self.values.shape}"
            )

    def column(self, name: str) -> Array:
        """One column `[n_rows]` by its name; KeyError for a name that is none."""
        return self.values[:, INDEX[name]]

    def __repr__(self) -> str:
        return f"CovarepMatrix(values={self.values.shape})"


def analyse(samples: Array, sample_rate_hz: int = 16_000, *, raw: bool = False) -> CovarepMatrix:
    """Measure a recording.

    The result depends on the whole recording (median pitch, largest residual, polarity), so the
    matrix of a part differs from the part of the matrix.

    Parameters
    ----------
    samples
        Mono speech `[n]`, float, full scale 1. Of the columns only MCEP_0 and creak depend on
        the level.
    sample_rate_hz
        Must be 16000.
    raw
        Leave digital silence as the original has it: F0 1 Hz, and -Inf in peakSlope at its
        borders. Otherwise both are 0 and every value is finite.

    Returns
    -------
    CovarepMatrix
        `(n - 80) // 160 + 1` rows. Shorter than 100 ms (no pitch frame): peakSlope alone is
        measured, from 50 ms on; the rest is 0. The original needs 0.82 s. A recording without
        two closure instants in its voiced parts has zeros in NAQ, QOQ, H1H2, PSP and MDQ.

    Raises
    ------
    ValueError
        If the rate is not 16 kHz, or the samples are not one channel of finite numbers.
    """
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise ValueError(f"COVAREP measures need one channel of finite samples {samples.shape}")
    n = len(samples)
    values = np.zeros((grid.n_rows(n), len(NAMES)))
    if sample_rate_hz == grid.SAMPLE_RATE_HZ and not len(values):
        return CovarepMatrix(grid.row_times_s(n), values)
    samples = samples.astype(np.float64, copy=False)
    error = residual(samples, _RESIDUAL_ORDER)
    pitch = srh.pitch(samples, sample_rate_hz)
    if polarity(samples, error) < 0:
        samples, error = -samples, -error

    def put(name: str, column: Array) -> None:
        values[:, INDEX[name]] = column

    def put_frames(name: str, frames: Array, first: int = _FIRST_PITCH) -> None:
        put(name, grid.from_frames(frames, first, n))

    f0_hz = pitch.f0_hz if raw else np.where(pitch.f0_hz > _NO_PITCH_HZ, pitch.f0_hz, 0.0)
    put_frames("F0", f0_hz)
    voiced = grid.from_frames(pitch.voiced.astype(np.float64), _FIRST_PITCH, n)
    # A row half-way between two frames is voiced if either is.
    put("VUV", (voiced >= 0.5).astype(np.float64))
    put_frames("peakSlope", peak_slope(samples, raw=raw), FIRST)
    put_frames("creak", creak(samples, pitch))
    for name, column in _pulse_columns(samples, error, pitch, sample_rate_hz).items():
        put(name, column)
    tracks = analyse_harmonics(samples, pitch)
    put_frames("Rd", tracks.rd)
    put_frames("Rd_conf", tracks.rd_confidence)
    mcep, hmpdm, hmpdd = (INDEX[name] for name in ("MCEP_0", "HMPDM_0", "HMPDD_0"))
    values[:, mcep:hmpdm] = stretch_to_rows(tracks.mcep, n, len(values))
    if len(pitch.time_s) > 1:
        # Angles meet half-way round the circle, not half-way along the line.
        angles = circular_midpoints(tracks.hmpdm)[: len(values) - _FIRST_PITCH]
        values[_FIRST_PITCH : _FIRST_PITCH + len(angles), hmpdm:hmpdd] = angles
    for k, frames in enumerate(tracks.hmpdd.T):
        put_frames(f"HMPDD_{k}", frames)
    return CovarepMatrix(grid.row_times_s(n), values)


def _pulse_columns(
    samples: Array, error: Array, pitch: srh.Pitch, sample_rate_hz: int
) -> dict[str, Array]:
    """Columns measured once per glottal cycle, on the rows; none without two cycles."""
    n = len(samples)
    instants = gci.closure_instants(samples, error, pitch, sample_rate_hz)
    if len(instants) < 2:
        return {}
    flow, derivative = glottal_flow(samples, instants, sample_rate_hz)
    pulses = pulse_measures(flow, derivative, instants, sample_rate_hz)
    # Counted from 1, the measures of the flow stand at the instants, and MDQ one sample before.
    on_rows = {
        "NAQ": pulses.naq,
        "QOQ": pulses.qoq,
        "H1H2": pulses.h1_h2_db,
        "PSP": pulses.psp,
    }
    columns = {name: grid.from_instants(value, instants + 1, n) for name, value in on_rows.items()}
    columns["MDQ"] = grid.from_instants(maxima_dispersion(error, instants), instants, n)
    return columns
