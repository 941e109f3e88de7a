"""Columns that come from the harmonics of each frame: Rd, MCEP, HMPDM and HMPDD."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affect_pipe.extractors.acoustic.covarep import phase_distortion, rd, sinusoids
from affect_pipe.extractors.acoustic.covarep.mcep import warp_cepstra
from affect_pipe.extractors.acoustic.covarep.srh import Pitch
from affect_pipe.extractors.acoustic.covarep.true_envelope import (
    envelope_order,
    fill_below_pitch,
    true_envelope,
)

MCEP_ORDER = 24
_FRAMES_PER_BLOCK = 256
# Rows of the distortion are kept ragged over the recording and put on 513 bins in blocks.
_FRAMES_PER_FILTER_BLOCK = 512


@dataclass(frozen=True)
class HarmonicTracks:
    """Harmonic measures of a recording, one row per frame of its pitch track.

    Parameters
    ----------
    rd
        Glottal shape `[n_frames]`, 0.3-2.5.
    rd_confidence
        `[n_frames]`, 0-1.
    mcep
        Mel-warped cepstrum of the true envelope `[n_frames, 25]`, logarithm of amplitude. Goes on
        the rows by `mcep.stretch_to_rows`.
    hmpdm
        Phase-distortion mean `[n_frames, 25]`, radians in -pi to pi.
    hmpdd
        Phase-distortion deviation `[n_frames, 13]`, mel-warped cepstrum of ln(radians).
    """

    rd: NDArray[np.float64]
    rd_confidence: NDArray[np.float64]
    mcep: NDArray[np.float64]
    hmpdm: NDArray[np.float64]
    hmpdd: NDArray[np.float64]


def analyse_harmonics(samples: NDArray[np.float64], pitch: Pitch) -> HarmonicTracks:
    """Rd, MCEP, HMPDM and HMPDD of every pitch frame, in unvoiced frames too.

    Frames are analysed in blocks; memory grows with the recording only by the results and the
    phase distortion of each harmonic.

    Parameters
    ----------
    samples
        `[n]`, float64, 16 kHz, positive polarity.
    pitch
        Its `srh.pitch`. Pitches below 50 Hz (digital silence) are analysed as 50 Hz.

    Returns
    -------
    HarmonicTracks
        Rows as `pitch.time_s`.
    """
    n_frames = len(pitch.time_s)
    f0_hz = np.maximum(pitch.f0_hz, sinusoids.F0_FLOOR_HZ)
    shape, confidence = np.zeros(n_frames), np.zeros(n_frames)
    mcep = np.zeros((n_frames, MCEP_ORDER + 1))
    distortion: list[NDArray[np.float64]] = []
    count = np.zeros(n_frames, dtype=np.int64)
    for block in _blocks(n_frames, _FRAMES_PER_BLOCK):
        spectrum = sinusoids.spectra(samples, pitch.time_s[block], f0_hz[block])
        level = sinusoids.log_amplitudes(spectrum)
        found = sinusoids.harmonics(spectrum, level, f0_hz[block])
        glottal = rd.glottal_shape(found)
        shape[block], confidence[block] = glottal.rd, glottal.confidence
        filled = fill_below_pitch(level, f0_hz[block])
        cepstra = true_envelope(filled, envelope_order(f0_hz[block]))
        mcep[block] = warp_cepstra(cepstra, level.shape[1], MCEP_ORDER)
        count[block] = found.count
        rows = phase_distortion.harmonic_distortion(found)
        distortion.extend(row[:n].copy() for row, n in zip(rows, found.count, strict=True))
    hmpdm, hmpdd = _distortion_columns(distortion, f0_hz, count)
    return HarmonicTracks(shape, confidence, mcep, hmpdm, hmpdd)


def _distortion_columns(
    distortion: list[NDArray[np.float64]], f0_hz: NDArray[np.float64], count: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """HMPDM and HMPDD, filtered over time in overlapping blocks."""
    n_frames = len(distortion)
    margin = phase_distortion.MARGIN
    mean = np.zeros((n_frames, phase_distortion.MEAN_COLUMNS))
    deviation = np.zeros((n_frames, phase_distortion.DEVIATION_ORDER + 1))
    for block in _blocks(n_frames, _FRAMES_PER_FILTER_BLOCK):
        # Reflection at an end needs the frames next to it, so one that is near is taken in.
        first = max(block.start - margin, 0)
        last = min(block.stop + margin, n_frames)
        padded = np.zeros((last - first, int(count[first:last].max())))
        for row, values in zip(padded, distortion[first:last], strict=True):
            row[: len(values)] = values
        phasors = phase_distortion.on_frequency_axis(
            padded, f0_hz[first:last], count[first:last], first
        )
        before = margin - (block.start - first)
        after = margin - (last - block.stop)
        parts = [phasors]
        if before:
            parts.insert(0, phase_distortion.reflect(phasors, before, at_start=True))
        if after:
            parts.append(phase_distortion.reflect(phasors, after, at_start=False))
        phasors = np.concatenate(parts)
        mean[block] = phase_distortion.mean_columns(phasors)
        deviation[block] = phase_distortion.deviation_columns(phasors)
    return mean, deviation


def _blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `n`."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
