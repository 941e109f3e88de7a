"""Harmonic half of COVAREP: against its defining equations, made signals and reference clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.optimize import fminbound
from scipy.signal import lfilter

from affect_pipe.extractors.acoustic.covarep import creak as creak_module
from affect_pipe.extractors.acoustic.covarep import harmonic, phase_distortion, sinusoids, srh
from affect_pipe.extractors.acoustic.covarep.bounded_minimum import bounded_minimum
from affect_pipe.extractors.acoustic.covarep.creak import creak
from affect_pipe.extractors.acoustic.covarep.lf_model import lf_pulse, lf_spectrum, shape_ratios
from affect_pipe.extractors.acoustic.covarep.mcep import stretch_to_rows, warped_cepstrum
from affect_pipe.extractors.acoustic.covarep.minimum_phase import minimum_phase
from affect_pipe.extractors.acoustic.covarep.rd import N_DISTORTIONS, glottal_shape
from affect_pipe.extractors.acoustic.covarep.true_envelope import (
    TOLERANCE_DB,
    envelope,
    envelope_order,
    true_envelope,
)

RATE_HZ = 16_000
RD = np.array([0.3, 0.5, 1.0, 1.7, 2.5])
Array = NDArray[np.float64]


def constant_pitch(samples: Array, f0_hz: float) -> srh.Pitch:
    n = max(0, (len(samples) - srh.FRAME) // srh.HOP + 1)
    time_s = (800 + srh.HOP * np.arange(n)) / RATE_HZ
    return srh.Pitch(time_s, np.full(n, f0_hz), np.full(n, 0.2), np.ones(n, dtype=bool))


def tone_complex(f0_hz: float, level: Array, phase: Array, n: int = 16_000) -> Array:
    """Harmonics with given amplitudes, phases at sample 8000."""
    t = (np.arange(n) - 8000) / RATE_HZ
    k = np.arange(1, len(level) + 1)[:, None]
    wave: Array = np.sum(
        level[:, None] * np.cos(2 * np.pi * k * f0_hz * t + phase[:, None]), axis=0
    )
    return wave


def pulses(f0_hz: float, formant_hz: float = 500.0, n: int = 32_000) -> Array:
    excitation = np.zeros(n)
    excitation[:: round(RATE_HZ / f0_hz)] = 1.0
    pole = np.exp((-np.pi * 150 + 2j * np.pi * formant_hz) / RATE_HZ)
    filtered: Array = lfilter([1.0], np.poly([pole, np.conj(pole)]).real, excitation)
    return 0.1 * filtered


def lf_wave(rd: float, t: Array) -> Array:
    """The LF pulse in time, from Fant, Liljencrants and Lin (1985), equation 1."""
    p = lf_pulse(np.array([rd]))
    te, a, e = p.excitation[0], p.growth[0], p.decay[0]
    rise = -np.exp(a * (t - te)) * np.sin(np.pi * t / p.peak[0]) / np.sin(np.pi * te / p.peak[0])
    back = -(np.exp(-e * (t - te)) - np.exp(-e * (1 - te))) / (e * p.return_time[0])
    return np.where(t < te, rise, back)


# --- LF model -------------------------------------------------------------------------------


def test_shape_ratios_are_fants_regression() -> None:
    # Fant (1995): Rd 1 gives Ra 3.8 %, Rk 34.2 %, and Rd is (1/0.11)(0.5+1.2Rk)(Rk/4Rg+Ra).
    ra, rk, rg = shape_ratios(RD)
    assert (ra[2], rk[2]) == pytest.approx((0.038, 0.342))
    np.testing.assert_allclose((0.5 + 1.2 * rk) * (rk / (4 * rg) + ra) / 0.11, RD)


@pytest.mark.parametrize("rd", RD)
def test_lf_pulse_has_no_net_flow_and_joins_at_the_excitation(rd: float) -> None:
    t = (np.arange(200_000) + 0.5) / 200_000
    wave = lf_wave(rd, t)
    assert abs(wave.mean()) < 1e-7
    te = lf_pulse(np.array([rd])).excitation[0]
    assert wave.min() == pytest.approx(-1.0, abs=1e-3)
    assert t[wave.argmin()] == pytest.approx(te, abs=1e-4)
    # Continuity of the return phase (LF equation for epsilon).
    p = lf_pulse(np.array([rd]))
    e = p.decay[0]
    assert e * p.return_time[0] == pytest.approx(1 - np.exp(-e * (1 - te)), abs=1e-12)


@pytest.mark.parametrize("rd", RD)
def test_lf_spectrum_is_the_integral_of_the_pulse(rd: float) -> None:
    t = (np.arange(200_000) + 0.5) / 200_000
    wave = lf_wave(rd, t)
    order = np.array([1.0, 2.0, 7.0, 40.0])
    by_sum = [np.mean(wave * np.exp(-2j * np.pi * k * t)) for k in order]
    np.testing.assert_allclose(lf_spectrum(np.array([rd]), order)[0], by_sum, atol=1e-6)


def test_rd_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="Rd must lie in"):
        lf_pulse(np.array([2.9]))


# --- harmonics ------------------------------------------------------------------------------


@pytest.mark.parametrize("f0_hz", [70.0, 123.0, 310.0])
def test_harmonics_of_a_tone_complex(f0_hz: float) -> None:
    rng = np.random.default_rng(1)
    n = int(RATE_HZ / 2 / f0_hz) - 1
    level = np.exp(rng.uniform(-1.0, 0.0, n))
    phase = rng.uniform(-np.pi, np.pi, n)
    samples = tone_complex(f0_hz, level, phase)
    f0 = np.array([round(f0_hz * 1.01)], dtype=np.float64)
    spectrum = sinusoids.spectra(samples, np.array([0.5]), f0)
    found = sinusoids.harmonics(spectrum, sinusoids.log_amplitudes(spectrum), f0)
    assert found.spacing_hz[0] == pytest.approx(f0_hz, rel=2e-3)
    inner = slice(0, 10)
    # 0.2 dB and 0.1 rad: what a Blackman window of three periods leaks between neighbours.
    np.testing.assert_allclose(
        found.log_amplitude[0, 1:][inner], np.log(level / 2)[inner], atol=0.03
    )
    error = sinusoids.wrap(found.phase[0, 1:][inner] - phase[inner])
    assert np.abs(error).max() < 0.15


def test_minimum_phase_of_a_resonator() -> None:
    w = np.pi * np.arange(513) / 512
    denominator = 1 - 1.6 * np.exp(-1j * w) + 0.81 * np.exp(-2j * w)
    phase = minimum_phase(-np.log(np.abs(denominator)))
    np.testing.assert_allclose(phase, -np.unwrap(np.angle(denominator)), atol=1e-9)


def test_bounded_minimum_takes_the_steps_of_brent() -> None:
    rng = np.random.default_rng(2)
    parameters = rng.uniform(0.0, 6.0, (50, 3))

    def value(p: Array, x: Array | float) -> Array:
        wave: Array = np.sin(3 * x + p[..., 0]) + 0.5 * np.sin(7 * x + p[..., 1]) + 0.1 * x
        return wave

    x, least = bounded_minimum(lambda i, x: value(parameters[i], x), 50, 0.3, 2.5, 0.01, 32)
    for p, found in zip(parameters, x, strict=True):
        wanted = fminbound(lambda y, p=p: float(value(p, y)), 0.3, 2.5, xtol=0.01, maxfun=32)
        assert found == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(least, value(parameters, x))


@pytest.mark.parametrize("rd", [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("f0_hz", [100.0, 200.0])
def test_rd_of_lf_pulses_through_a_minimum_phase_tract(rd: float, f0_hz: float) -> None:
    # The column follows COVAREP's sign of time: the pulse runs backwards (module rd).
    count = int(RATE_HZ / 2 / f0_hz) - 1
    source = np.conj(lf_spectrum(np.array([rd]), np.arange(1.0, count + 1)))[0]
    log_source = np.log(np.abs(source))
    tract = np.cos(np.arange(count + 1) * 0.7) + 0.3 * np.cos(np.arange(count + 1) * 0.2)
    level = np.concatenate([log_source[:1], log_source]) + tract
    level[0] = level[1]
    rest = level - np.concatenate([log_source[:1], log_source])
    phase = minimum_phase(rest)
    phase[1:] += np.angle(source) + 0.37 * np.arange(1, count + 1)
    phase[0] = 0.0
    one = np.array([f0_hz])
    made = sinusoids.Harmonics(one, one, np.array([count]), level[None], phase[None])
    shape = glottal_shape(made)
    assert shape.rd[0] == pytest.approx(rd, abs=0.03)
    assert shape.confidence[0] > 0.98
    assert N_DISTORTIONS == 7


# --- envelope and cepstra -------------------------------------------------------------------


def test_true_envelope_reaches_the_peaks_and_is_smooth() -> None:
    f0_hz = 120.0
    rng = np.random.default_rng(3)
    level = np.exp(np.cumsum(rng.normal(0, 0.3, 60)))
    samples = tone_complex(f0_hz, level, rng.uniform(-3, 3, 60))
    f0 = np.array([f0_hz])
    spectrum = sinusoids.log_amplitudes(sinusoids.spectra(samples, np.array([0.5]), f0))
    order = envelope_order(f0)
    cepstra = true_envelope(spectrum, order)
    curve = envelope(cepstra, spectrum.shape[1])
    tolerance = TOLERANCE_DB * np.log(10) / 20
    assert (spectrum - curve).max() <= tolerance + 1e-9
    bins = np.round(np.arange(5, 55) * f0_hz / sinusoids.BIN_HZ).astype(int)
    # On the harmonics neither under nor far over: the valleys do not pull it.
    assert np.abs(curve[0, bins] - np.log(level / 2)[4:54]).mean() < 0.35
    assert cepstra.shape[1] == round(1.2 * order[0]) + 1


def test_envelope_of_a_batch_is_that_of_each_frame() -> None:
    rng = np.random.default_rng(4)
    spectrum = rng.normal(size=(6, 257)).cumsum(axis=1) * 0.2
    order = np.array([10, 20, 30, 12, 25, 30])
    together = true_envelope(spectrum, order)
    for i in range(6):
        alone = true_envelope(spectrum[i : i + 1], order[i : i + 1])[0]
        np.testing.assert_allclose(together[i, : len(alone)], alone, atol=1e-12)
        assert not together[i, len(alone) :].any()


def test_warped_cepstrum_of_a_cosine_on_the_mel_axis() -> None:
    f = np.linspace(0, 8000, 2049)
    mel = np.log1p(f / 700) / np.log1p(8000 / 700)
    curve = 0.7 - 1.5 * np.cos(3 * np.pi * mel) + 0.4 * np.cos(10 * np.pi * mel)
    cepstrum = warped_cepstrum(curve[None], 24)[0]
    wanted = np.zeros(25)
    wanted[[0, 3, 10]] = 0.7, -1.5, 0.4
    np.testing.assert_allclose(cepstrum, wanted, atol=2e-3)


def test_mcep_axis_is_stretched_over_the_recording() -> None:
    frames = np.arange(5.0)[:, None]
    rows = stretch_to_rows(frames, 1600 * 5 + 1, 50)
    assert rows[0, 0] == pytest.approx(79 / 8000 * 4)
    assert rows[25, 0] == pytest.approx((80 + 4000 - 1) / 8000 * 4)
    assert stretch_to_rows(np.zeros((0, 25)), 100, 3).shape == (3, 25)


# --- phase distortion -----------------------------------------------------------------------


def test_no_phase_distortion_without_phases_of_its_own() -> None:
    # Pulses through a minimum-phase resonator: nothing is left of the phases.
    samples = pulses(125.0, 600.0)
    tracks = harmonic.analyse_harmonics(samples, constant_pitch(samples, 125.0))
    inner = tracks.hmpdm[30:-30, 9:23]
    assert np.abs(inner).max() < 0.35
    assert not tracks.hmpdm[:, :4].any()


def test_more_noise_more_deviation() -> None:
    rng = np.random.default_rng(5)
    clean = pulses(125.0)
    levels = []
    for noise in (0.0, 0.01, 0.1):
        samples = clean + noise * rng.normal(size=len(clean))
        tracks = harmonic.analyse_harmonics(samples, constant_pitch(samples, 125.0))
        levels.append(tracks.hmpdd[30:-30, 0].mean())
    assert levels[0] < levels[1] < levels[2]


def test_circular_midpoints_go_the_shorter_way() -> None:
    middle = phase_distortion.circular_midpoints(np.array([[3.0], [-3.0], [-2.0]]))
    np.testing.assert_allclose(np.abs(middle[0]), np.pi)
    np.testing.assert_allclose(middle[1], -2.5)


# --- whole tracks ---------------------------------------------------------------------------


def test_tracks_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    samples = pulses(110.0) + 0.02 * rng.normal(size=32_000)
    pitch = srh.pitch(samples, RATE_HZ)
    whole = harmonic.analyse_harmonics(samples, pitch)
    again = harmonic.analyse_harmonics(samples, pitch)
    monkeypatch.setattr(harmonic, "_FRAMES_PER_BLOCK", 17)
    monkeypatch.setattr(harmonic, "_FRAMES_PER_FILTER_BLOCK", 41)
    parts = harmonic.analyse_harmonics(samples, pitch)
    for name in ("rd", "rd_confidence", "mcep", "hmpdm", "hmpdd"):
        assert np.array_equal(getattr(whole, name), getattr(again, name))
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-8)


@pytest.mark.parametrize("n", [0, 100, 1598, 1900, 6000])
def test_short_recordings_give_what_frames_there_are(n: int) -> None:
    samples = pulses(140.0)[:n]
    pitch = srh.pitch(samples, RATE_HZ)
    tracks = harmonic.analyse_harmonics(samples, pitch)
    for values in (tracks.rd, tracks.rd_confidence, tracks.mcep, tracks.hmpdm, tracks.hmpdd):
        assert len(values) == len(pitch.time_s)
        assert np.isfinite(values).all()
    assert len(creak(samples, pitch)) == len(pitch.time_s)


def test_digital_silence_stays_finite() -> None:
    samples = pulses(140.0)
    samples[8000:20000] = 0.0
    tracks = harmonic.analyse_harmonics(samples, srh.pitch(samples, RATE_HZ))
    for values in (tracks.rd, tracks.rd_confidence, tracks.mcep, tracks.hmpdm, tracks.hmpdd):
        assert np.isfinite(values).all()
    silence = np.zeros(16_000)
    assert np.isfinite(harmonic.analyse_harmonics(silence, constant_pitch(silence, 1.0)).mcep).all()


@pytest.mark.parametrize(("f0_hz", "creaky"), [(30.0, True), (40.0, True), (130.0, False)])
def test_creak_is_a_row_of_separate_pulses(f0_hz: float, creaky: bool) -> None:
    samples = pulses(f0_hz)
    degree = creak(samples, constant_pitch(samples, 100.0))
    assert ((degree >= 0) & (degree <= 1)).all()
    assert (degree > 0.5).mean() > 0.9 if creaky else not degree.any()


def test_creak_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.concatenate([pulses(30.0, n=24_000), pulses(130.0, n=24_000), pulses(35.0)])
    pitch = constant_pitch(samples, 100.0)
    whole = creak(samples, pitch)
    assert whole.any()
    monkeypatch.setattr(creak_module, "_FRAMES_PER_BLOCK", 37)
    np.testing.assert_allclose(creak(samples, pitch), whole, atol=1e-6)


# --- reference clips ------------------------------------------------------------------------

# Median over the clips, voiced rows. HMPDM as the worse of cosine and sine; its last band holds
# random phases in the original too.
LEAST = {"Rd": 0.9, "Rd_conf": 0.97, "MCEP": 0.98, "HMPDD": 0.97, "HMPDM": 0.9}


@pytest.fixture(scope="module")
def agreement(data_dir: Path) -> dict[str, float]:
    folder = data_dir / "covarep"
    if not folder.is_dir():
        pytest.skip(f"no reference clips at {folder}")
    per_clip: dict[str, list[float]] = {}
    for path in sorted(folder.glob("*.wav")):
        table = np.genfromtxt(path.with_suffix(".csv"), delimiter=",", names=True)
        _, pcm = wavfile.read(path)
        samples = pcm / 32768.0
        pitch = srh.pitch(samples, RATE_HZ)
        for name, (ours, theirs) in columns_on_rows(samples, pitch, table).items():
            functions = [np.cos, np.sin] if name.startswith("HMPDM") else [np.asarray]
            worst = min(np.corrcoef(f(ours), f(theirs))[0, 1] for f in functions)
            per_clip.setdefault(name, []).append(worst)
    return {name: float(np.median(values)) for name, values in per_clip.items()}


def columns_on_rows(
    samples: Array, pitch: srh.Pitch, table: NDArray[np.void]
) -> dict[str, tuple[Array, Array]]:
    """Our and their values on the voiced rows between our pitch frames."""
    tracks = harmonic.analyse_harmonics(samples, pitch)
    assert not tracks.hmpdm[:, :4].any()
    rows = slice(5, 4 + len(pitch.time_s))
    voiced = table["VUV"][rows] > 0
    middle = {"Rd": tracks.rd[:, None], "Rd_conf": tracks.rd_confidence[:, None]}
    ours = {name: (v[1:] + v[:-1]) / 2 for name, v in middle.items()}
    ours["HMPDD"] = (tracks.hmpdd[1:] + tracks.hmpdd[:-1]) / 2
    ours["HMPDM"] = phase_distortion.circular_midpoints(tracks.hmpdm)
    ours["MCEP"] = stretch_to_rows(tracks.mcep, len(samples), len(table))[rows]
    result = {}
    for name, values in ours.items():
        for k, column in enumerate(values.T):
            if name == "HMPDM" and not 9 <= k <= 23:
                continue
            full = name if values.shape[1] == 1 else f"{name}_{k}"
            result[full] = column[voiced], table[full][rows][voiced]
    return result


@pytest.mark.parametrize("name", sorted(LEAST))
def test_agreement_with_the_reference_clips(agreement: dict[str, float], name: str) -> None:
    columns = {k: v for k, v in agreement.items() if k == name or k.startswith(f"{name}_")}
    columns = {k: v for k, v in columns.items() if name != "Rd" or k == "Rd"}
    assert columns
    short = {k: round(v, 3) for k, v in columns.items() if not v >= LEAST[name]}
    assert not short
