"""Pitch, closure instants, glottal flow and wavelet measures: made voices with known answers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg, signal

from affect_pipe.extractors.acoustic.covarep import (
    convolution,
    dispersion,
    gci,
    grid,
    iaif,
    lpc,
    parabola,
    peak_slope,
    polarity,
    pulse,
    srh,
    wavelets,
)
from affect_pipe.extractors.acoustic.covarep.harmonic_difference import isolated_peaks

RATE_HZ = 16_000
Array = NDArray[np.float64]
Places = NDArray[np.int64]
# Formants and bandwidths of an open vowel.
FORMANTS = ((700, 90), (1200, 110), (2600, 160), (3500, 250))


def tract() -> Array:
    poles = [np.exp((-np.pi * width + 2j * np.pi * f) / RATE_HZ) for f, width in FORMANTS]
    return np.asarray(np.poly([*poles, *np.conj(poles)]).real)


def rosenberg(period: int, rise: float, fall: float, n_cycles: int) -> tuple[Array, Places]:
    """Rosenberg's trigonometric flow pulses and the samples at which they close.

    `rise` and `fall` are shares of the period.
    """
    t = np.arange(period) / period
    opening = 0.5 * (1 - np.cos(np.pi * t / rise))
    closing = np.cos(0.5 * np.pi * (t - rise) / fall)
    cycle = np.where(t < rise, opening, np.where(t < rise + fall, closing, 0.0))
    closures = np.arange(n_cycles) * period + round((rise + fall) * period)
    return np.tile(cycle, n_cycles), closures


def vowel(period: int, rise: float = 0.45, fall: float = 0.2, n_cycles: int = 120) -> Array:
    """A vowel from such pulses, with silence around it and a little noise."""
    flow, _ = rosenberg(period, rise, fall, n_cycles)
    speech = signal.lfilter([1.0], tract(), np.diff(flow, prepend=0.0))
    padded = np.pad(speech, 4000)
    noise = np.random.default_rng(5).standard_normal(len(padded))
    return np.asarray(0.5 * padded / np.abs(padded).max() + 1e-4 * noise)


# --- linear prediction ----------------------------------------------------------------------


def test_levinson_solves_the_normal_equations() -> None:
    frames = np.random.default_rng(0).standard_normal((5, 200))
    lags = lpc.autocorrelation(frames, 12)
    for row, found in zip(lags, lpc.levinson(lags), strict=True):
        wanted = -linalg.solve_toeplitz(row[:-1], row[1:])
        np.testing.assert_allclose(found, [1.0, *wanted], atol=1e-12)


def test_predictors_of_an_autoregressive_process_are_its_own() -> None:
    noise = np.random.default_rng(1).standard_normal(100_000)
    process = signal.lfilter([1.0], [1.0, -1.3, 0.8], noise)
    np.testing.assert_allclose(lpc.lpc(process[None], 4)[0], [1, -1.3, 0.8, 0, 0], atol=0.02)


def test_inverse_filter_undoes_the_filter() -> None:
    excitation = np.random.default_rng(2).standard_normal((3, 300))
    speech = signal.lfilter([1.0], tract(), excitation, axis=1)
    found = lpc.inverse_filter(speech, np.tile(tract(), (3, 1)))
    np.testing.assert_allclose(found, excitation, atol=1e-9)


def test_residual_stands_out_at_the_pulses() -> None:
    excitation = np.zeros(16_000)
    excitation[100::120] = 1.0
    error = lpc.residual(signal.lfilter([1.0], tract(), excitation), 18)
    peaks = np.flatnonzero(error[1000:-1000] > 0.5) + 1000
    assert set((peaks - 100) % 120) == {0}


@pytest.mark.parametrize("n", [0, 1, 399, 400])
def test_residual_of_less_than_a_frame_is_zero(n: int) -> None:
    assert not lpc.residual(np.ones(n), 12).any()


@pytest.mark.parametrize("n", [1, 50, 301, 40_000, 70_001])
def test_convolution_in_stretches_is_convolution(n: int) -> None:
    rng = np.random.default_rng(3)
    samples, taps = rng.standard_normal(n), rng.standard_normal(301)
    wanted = np.convolve(samples, taps)[150 : 150 + n]
    np.testing.assert_allclose(convolution.convolve_same(samples, taps), wanted, atol=1e-10)


# --- pitch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [45, 80, 128, 200])
def test_pitch_of_a_vowel(period: int) -> None:
    found = srh.pitch(vowel(period), RATE_HZ)
    start, stop = 4000 / RATE_HZ + 0.1, (4000 + 120 * period) / RATE_HZ - 0.1
    inside = (found.time_s > start) & (found.time_s < stop)
    assert found.voiced[inside].all()
    # The grid is 1 Hz, read 1 Hz below its name.
    np.testing.assert_allclose(found.f0_hz[inside], RATE_HZ / period, atol=1.6)


def test_noise_is_unvoiced() -> None:
    found = srh.pitch(np.random.default_rng(4).standard_normal(32_000), RATE_HZ)
    assert found.voiced.mean() < 0.1


def test_frames_stand_at_multiples_of_ten_milliseconds() -> None:
    found = srh.pitch(np.zeros(16_000), RATE_HZ)
    np.testing.assert_allclose(found.time_s, 0.05 + 0.01 * np.arange(91), atol=1e-12)
    assert (found.f0_hz == 1).all()
    assert not found.voiced.any()
    assert len(srh.pitch(np.zeros(1597), RATE_HZ).time_s) == 0


def test_a_long_recording_is_searched_as_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = vowel(90)
    kept = srh.pitch(samples, RATE_HZ)
    monkeypatch.setattr(srh, "_FRAMES_KEPT", 0)
    anew = srh.pitch(samples, RATE_HZ)
    np.testing.assert_array_equal(kept.f0_hz, anew.f0_hz)
    np.testing.assert_array_equal(kept.strength, anew.strength)


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="16000 Hz, got 8000"):
        srh.pitch(np.zeros(8000), 8000)


# --- polarity and closure -------------------------------------------------------------------


@pytest.mark.parametrize("period", [60, 110, 160])
def test_polarity(period: int) -> None:
    samples = vowel(period)
    error = lpc.residual(samples, 18)
    assert polarity.polarity(samples, error) == 1
    assert polarity.polarity(-samples, -error) == -1


@pytest.mark.parametrize("period", [60, 110, 160])
def test_closure_instants_are_where_the_flow_closes(period: int) -> None:
    samples = vowel(period)
    error = lpc.residual(samples, 18)
    found = gci.closure_instants(samples, error, srh.pitch(samples, RATE_HZ), RATE_HZ)
    _, closures = rosenberg(period, 0.45, 0.2, 120)
    closures += 4000
    inner = found[(found > 5000) & (found < closures[-1] - 1000)]
    nearest = closures[np.abs(closures[:, None] - inner).argmin(axis=0)]
    # One instant per cycle, within 0.25 ms.
    assert np.unique(nearest).size == inner.size
    assert (np.diff(nearest) == period).all()
    assert np.abs(inner - nearest).max() <= 4


def test_no_closures_without_a_voice() -> None:
    silence = np.zeros(16_000)
    assert len(gci.closure_instants(silence, silence, srh.pitch(silence, RATE_HZ), RATE_HZ)) == 0


# --- pulses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("rise", "fall"), [(0.3, 0.1), (0.4, 0.2), (0.5, 0.35)])
def test_quotients_of_a_known_flow(rise: float, fall: float) -> None:
    period = 160
    flow, closures = rosenberg(period, rise, fall, 12)
    derivative = np.diff(flow, prepend=0.0)
    found = pulse.pulse_measures(flow, derivative, closures, RATE_HZ)
    # Height 1 over steepest slope pi / (2 fall T0), as a share of T0.
    np.testing.assert_allclose(found.naq[1:], 2 * fall / np.pi, rtol=0.03)
    # Above half its height from rise / 2 to two thirds of the fall.
    np.testing.assert_allclose(found.qoq[1:], rise / 2 + 2 * fall / 3, atol=2.5 / period)


def test_first_pulse_starts_with_the_recording() -> None:
    flow, closures = rosenberg(100, 0.4, 0.2, 12)
    # A slow swell before the voice, as drifting flow is.
    swell = np.sin(np.pi * np.arange(1000) / 1000) ** 2
    flow = np.concatenate([5 * swell, flow])
    found = pulse.pulse_measures(flow, np.diff(flow, prepend=0.0), closures + 1000, RATE_HZ)
    assert found.qoq[0] > 3
    assert found.qoq[1:].max() < 1
    assert found.psp[0] == 0


@pytest.mark.parametrize("difference_db", [-8.0, 0.0, 12.0])
def test_harmonic_difference(difference_db: float) -> None:
    period = 100
    t = np.arange(4000) * 2 * np.pi / period
    level = np.array([0.0, -difference_db, -20.0, -24.0, -28.0, -32.0, -36.0])
    wave = sum(10 ** (db / 20) * np.cos(k * t) for k, db in enumerate(level, start=1))
    instants = np.arange(500, 3500, period)
    found = pulse.pulse_measures(np.zeros(4000), np.asarray(wave), instants, RATE_HZ)
    np.testing.assert_allclose(found.h1_h2_db[1:], difference_db, atol=0.3)


def test_pitch_out_of_range_gives_zeros() -> None:
    flow, closures = rosenberg(20, 0.4, 0.3, 50)
    found = pulse.pulse_measures(flow, np.diff(flow, prepend=0.0), closures, RATE_HZ)
    for values in (found.naq, found.qoq, found.h1_h2_db, found.psp):
        assert not values.any()


def test_a_peak_hides_others_though_it_is_hidden_itself() -> None:
    values = np.zeros(60)
    values[[10, 18, 26, 50]] = [1.0, 2.0, 3.0, 0.5]
    # 18 hides 10 and 26 hides 18: greedy pruning would have kept 10.
    np.testing.assert_array_equal(isolated_peaks(values, 10.0), [26, 50])
    np.testing.assert_array_equal(isolated_peaks(values, 5.0), [10, 18, 26, 50])
    np.testing.assert_array_equal(isolated_peaks(values, 8.0), [10, 18, 26, 50])


def test_curvature_is_that_of_polynomial_fits() -> None:
    rng = np.random.default_rng(6)
    k = np.arange(200.0)
    levels = 40 - rng.uniform(0.001, 0.05, (6, 1)) * k**2 + rng.uniform(0, 9, (6, 1)) * np.sin(k)
    for row, found in zip(levels, parabola.curvature(levels), strict=True):
        for n in range(3, 201):
            design = np.stack([k[:n] ** 2, np.ones(n)], axis=1)
            fit, *_ = np.linalg.lstsq(design, row[:n], rcond=None)
            if np.sum((design @ fit - row[:n]) ** 2) >= 0.01 * np.sum(row[:n] ** 2):
                break
        assert found == pytest.approx(fit[0], rel=1e-6)


def test_parabolic_parameter_grows_with_the_length_of_the_pulse() -> None:
    values = []
    for rise in (0.2, 0.35, 0.5, 0.65):
        flow, closures = rosenberg(150, rise, 0.5 * rise, 10)
        measures = pulse.pulse_measures(flow, np.diff(flow, prepend=0.0), closures, RATE_HZ)
        values.append(measures.psp[3])
    assert (np.diff(values) > 0).all()
    assert 0 < values[0] < values[-1] < 1


@pytest.mark.parametrize("period", [90, 128, 160])
def test_inverse_filtering_finds_the_flow_again(period: int) -> None:
    flow, closures = rosenberg(period, 0.45, 0.2, 60)
    speech = signal.lfilter([1.0], tract(), np.diff(flow, prepend=0.0))
    found, _ = iaif.glottal_flow(speech, closures, RATE_HZ)
    for a, b in pairwise(closures[20:41]):
        level = found[a:b] - np.linspace(found[a], found[b], b - a)
        assert np.corrcoef(level, flow[a:b])[0, 1] > 0.9


def test_breathy_flow_has_larger_quotients_than_tense_flow() -> None:
    naq = []
    for rise, fall in ((0.25, 0.08), (0.45, 0.2), (0.55, 0.4)):
        samples = vowel(128, rise, fall)
        error = lpc.residual(samples, 18)
        instants = gci.closure_instants(samples, error, srh.pitch(samples, RATE_HZ), RATE_HZ)
        flow, derivative = iaif.glottal_flow(samples, instants, RATE_HZ)
        measures = pulse.pulse_measures(flow, derivative, instants, RATE_HZ)
        naq.append(np.median(measures.naq))
    assert naq[0] < naq[1] < naq[2]


# --- wavelets -------------------------------------------------------------------------------


def test_dispersion_of_single_pulses_is_the_one_sample_it_is_measured_off() -> None:
    error = np.zeros(8000)
    instants = np.arange(500, 7500, 100)
    error[instants] = -1.0
    # The wavelets are negative in the middle: a negative pulse peaks at its own place.
    np.testing.assert_allclose(dispersion.maxima_dispersion(error, instants)[1:-1], 1 / 100)


def test_dispersion_grows_as_the_pulses_blur() -> None:
    rng = np.random.default_rng(7)
    instants = np.arange(500, 31_000, 128)
    values = []
    for noise in (0.0, 0.05, 0.5):
        error = noise * rng.standard_normal(32_000)
        error[instants] -= 1.0
        values.append(dispersion.maxima_dispersion(error, instants).mean())
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize("octave", range(7))
def test_wavelet_passes_its_own_octave_best(octave: int) -> None:
    gains = []
    for other in range(7):
        t = np.arange(8000)
        # The highest wavelet is centred on half the rate, where a tone is all or nothing.
        tone = np.cos(np.pi * t / 2**other)
        gains.append(np.abs(wavelets.filtered(tone, octave)[2000:6000]).max())
    assert int(np.argmax(gains)) == octave


def test_peak_slope_falls_with_the_tilt_of_the_voice() -> None:
    excitation = np.zeros(16_000)
    excitation[::128] = 1.0
    values = []
    for pole in (0.0, 0.5, 0.9, 0.98):
        slopes = peak_slope.peak_slope(signal.lfilter([1.0], [1.0, -pole], excitation))
        values.append(np.median(slopes))
    assert (np.diff(values) < 0).all()


def test_peak_slope_does_not_know_the_level() -> None:
    samples = vowel(100)
    np.testing.assert_allclose(
        peak_slope.peak_slope(samples), peak_slope.peak_slope(-0.125 * samples), atol=1e-12
    )


def test_peak_slope_of_digital_silence() -> None:
    samples = vowel(100)
    samples[6000:12_000] = 0.0
    calm, raw = peak_slope.peak_slope(samples), peak_slope.peak_slope(samples, raw=True)
    assert np.isfinite(calm).all()
    assert (calm[42:66] == 0).all()
    assert 0 < np.isneginf(raw).sum() <= 6
    np.testing.assert_array_equal(calm[np.isfinite(raw)], raw[np.isfinite(raw)])


# --- rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rows"), [(0, 0), (79, 0), (80, 1), (239, 1), (240, 2), (1599, 10)])
def test_rows(n: int, rows: int) -> None:
    assert grid.n_rows(n) == rows
    np.testing.assert_allclose(grid.row_times_s(n), 0.005 + 0.01 * np.arange(rows))


def test_rows_lie_between_frames() -> None:
    rows = grid.from_frames(np.array([1.0, 3.0, 7.0]), 5, 1600)
    np.testing.assert_array_equal(rows, [0, 0, 0, 0, 0, 2, 5, 0, 0, 0])
    assert not grid.from_frames(np.array([1.0]), 5, 1600).any()
    # Frames beyond the last row are dropped.
    np.testing.assert_array_equal(grid.from_frames(np.ones(9), 1, 400), [0, 1, 1])


def test_instants_are_joined_by_lines() -> None:
    rows = grid.from_instants(np.array([1.0, 5.0]), np.array([240, 880]), 1600)
    np.testing.assert_array_equal(rows, [0, 1, 2, 3, 4, 5, 0, 0, 0, 0])
    assert not grid.from_instants(np.array([1.0]), np.array([240]), 1600).any()
