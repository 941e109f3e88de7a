"""The whole matrix: against reference files of the original, and what must hold of any sound."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

from affect_pipe.extractors.acoustic.covarep.analysis import CovarepMatrix, analyse
from affect_pipe.extractors.acoustic.covarep.columns import COLUMNS, INDEX, NAMES
from affect_pipe.extractors.acoustic.covarep.compare import Agreement, compare, correlation

Array = NDArray[np.float64]
# Median over the reference clips that a faithful implementation reaches; what the original
# reaches against itself under noise of a third of a 16-bit step lies a little above.
WANTED = {
    **dict.fromkeys(("F0", "VUV", "peakSlope", *(f"MCEP_{k}" for k in range(25))), 0.95),
    **dict.fromkeys(("NAQ", "QOQ", "H1H2", "Rd_conf", *(f"HMPDD_{k}" for k in range(13))), 0.85),
    **dict.fromkeys(("PSP", "MDQ", "Rd"), 0.80),
    **dict.fromkeys([f"HMPDM_{k}" for k in range(9, 24)], 0.70),
}


def speech(n: int = 16_000, seed: int = 0) -> Array:
    """Pulses through a resonance with pauses, a little noise everywhere."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 16_000
    phase = np.cumsum(130 + 15 * np.sin(2 * np.pi * 2 * t)) / 16_000
    pulses = np.diff(np.floor(phase), prepend=0.0)
    ring = np.exp(-np.arange(400) / 60) * np.cos(2 * np.pi * 700 * np.arange(400) / 16_000)
    voice = np.convolve(pulses, -ring)[:n] * (np.sin(2 * np.pi * 1.3 * t) > -0.6)
    return np.asarray(0.2 * voice + 1e-3 * rng.standard_normal(n))


@pytest.fixture(scope="module")
def agreements(data_dir: Path) -> list[dict[str, Agreement]]:
    clips = sorted((data_dir / "covarep").glob("*.wav"))
    if not clips:
        pytest.skip(f"no reference clips in {data_dir / 'covarep'}")
    found = []
    for clip in clips:
        _, samples = wavfile.read(clip)
        reference = np.loadtxt(clip.with_suffix(".csv"), delimiter=",", skiprows=1)
        found.append(compare(reference, analyse(samples / 32768.0, raw=True).values))
    return found


@pytest.mark.data
@pytest.mark.parametrize("name", WANTED)
def test_columns_agree_with_the_original(name: str, agreements: list[dict[str, Agreement]]) -> None:
    values = np.array([agreement[name].value for agreement in agreements])
    assert np.nanmedian(values) >= WANTED[name]


@pytest.mark.data
@pytest.mark.parametrize("name", ["HMPDM_0", "HMPDM_1", "HMPDM_2", "HMPDM_3"])
def test_bins_below_any_pitch_are_zero(name: str, agreements: list[dict[str, Agreement]]) -> None:
    assert max(agreement[name].value for agreement in agreements) == 0


@pytest.mark.data
def test_column_names_are_those_of_the_reference(data_dir: Path) -> None:
    table = next((data_dir / "covarep").glob("0*.csv"))
    assert table.read_text().splitlines()[0].split(",") == list(NAMES)


def test_columns() -> None:
    assert len(COLUMNS) == len(set(NAMES)) == 74
    assert [INDEX[name] for name in ("F0", "creak", "MCEP_0", "HMPDM_0", "HMPDD_0")] == [
        0,
        10,
        11,
        36,
        61,
    ]
    assert [column.name for column in COLUMNS if not column.comparable] == ["creak"]


@pytest.mark.parametrize("n", [0, 79, 80, 500, 640, 1598, 1758, 3000, 9600])
def test_short_recordings(n: int) -> None:
    found = analyse(speech(9600)[:n])
    assert found.values.shape == ((n - 80) // 160 + 1 if n >= 80 else 0, 74)
    assert np.isfinite(found.values).all()
    # From 100 ms on there is pitch, long before the original's 0.82 s.
    assert (found.column("F0") > 0).any() == (n >= 1758)


@pytest.mark.parametrize("sound", ["silence", "constant", "click", "noise", "sine", "spliced"])
def test_every_value_is_finite(sound: str) -> None:
    n = 16_000
    samples = {
        "silence": np.zeros(n),
        "constant": np.full(n, 0.1),
        "click": np.eye(1, n, 7000)[0],
        "noise": np.random.default_rng(1).standard_normal(n),
        "sine": 0.5 * np.sin(2 * np.pi * 200 * np.arange(n) / n),
        "spliced": np.concatenate([speech()[:6000], np.zeros(5000), speech()[6000:]]),
    }[sound]
    assert np.isfinite(analyse(samples).values).all()


def test_digital_silence_as_the_original_has_it() -> None:
    samples = np.concatenate([speech()[:6000], np.zeros(6000), speech()[6000:]])
    raw, calm = analyse(samples, raw=True), analyse(samples)
    # Well inside the gap: no pitch, no slope; between sound and gap: minus infinity.
    assert (raw.column("F0")[46:66] == 1).all()
    assert (calm.column("F0")[46:66] == 0).all()
    assert (raw.column("VUV")[46:66] == 0).all()
    assert (raw.column("peakSlope")[46:66] == 0).all()
    assert np.isneginf(raw.column("peakSlope")).any()


def test_polarity_of_the_recording_does_not_matter() -> None:
    np.testing.assert_array_equal(analyse(speech()).values, analyse(-speech()).values)


def test_level_moves_the_first_cepstrum_alone() -> None:
    loud, soft = analyse(speech()).values, analyse(0.5 * speech()).values
    difference = loud - soft
    np.testing.assert_allclose(difference[:, INDEX["MCEP_0"]], np.log(2), atol=1e-9)
    # Creak knows speech from silence by its level.
    others = np.delete(difference, [INDEX["MCEP_0"], INDEX["creak"]], axis=1)
    assert np.abs(others).max() < 1e-6


def test_same_sound_same_digits() -> None:
    np.testing.assert_array_equal(analyse(speech()).values, analyse(speech()).values)


def test_digits_do_not_depend_on_the_number_of_threads() -> None:
    program = (
        "import hashlib, numpy as np\n"
        "from affect_pipe.extractors.acoustic.covarep.analysis import analyse\n"
        "rng = np.random.default_rng(0)\n"
        "voice = np.repeat(rng.standard_normal((1, 128)), 125, axis=0).ravel()\n"
        "values = analyse(voice + 0.01 * rng.standard_normal(16_000)).values\n"
        "print(hashlib.sha256(values.tobytes()).hexdigest())\n"
    )
    digests = []
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        digests.append(done.stdout)
    assert digests[0] == digests[1] != b""


def test_what_is_no_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="16000 Hz, got 44100"):
        analyse(speech(), 44_100)
    with pytest.raises(ValueError, match=r"one channel of finite samples \(2, 8\)"):
        analyse(np.zeros((2, 8)))
    with pytest.raises(ValueError, match="finite"):
        analyse(np.full(8000, np.nan))
    with pytest.raises(ValueError, match="3 rows of 74 values"):
        CovarepMatrix(np.zeros(3), np.zeros((3, 73)))


# --- comparison -----------------------------------------------------------------------------


def tables() -> tuple[Array, Array]:
    rng = np.random.default_rng(2)
    reference = rng.standard_normal((200, 74))
    reference[:, INDEX["VUV"]] = np.arange(200) % 2
    reference[:, INDEX["HMPDM_0"] : INDEX["HMPDM_4"]] = 0
    return reference, reference.copy()


def test_a_table_agrees_with_itself() -> None:
    for name, found in compare(*tables()).items():
        assert found.value == pytest.approx(0.0 if found.measure == "largest" else 1.0), name


def test_only_voiced_rows_without_outliers_count() -> None:
    reference, estimate = tables()
    estimate[::2, INDEX["QOQ"]] = 0.0
    reference[1, INDEX["QOQ"]] = 1e6
    reference[3, INDEX["QOQ"]] = -np.inf
    found = compare(reference, estimate)["QOQ"]
    assert (found.value, found.rows, found.left_out) == (pytest.approx(1.0), 98, 2)


def test_an_outlier_of_the_estimate_counts() -> None:
    reference, estimate = tables()
    estimate[1, INDEX["NAQ"]] = 1e6
    found = compare(reference, estimate)["NAQ"]
    assert found.left_out == 0
    assert found.value < 0.5


def test_angles_are_compared_on_the_circle() -> None:
    reference, estimate = tables()
    estimate[:, INDEX["HMPDM_9"]] += 2 * np.pi
    assert compare(reference, estimate)["HMPDM_9"].value == pytest.approx(1.0)
    estimate[:, INDEX["HMPDM_9"]] *= -1
    assert compare(reference, estimate)["HMPDM_9"].value == pytest.approx(-1.0)


def test_voicing_is_compared_on_all_rows() -> None:
    reference, estimate = tables()
    estimate[:50, INDEX["VUV"]] = 0
    assert compare(reference, estimate)["VUV"].value == pytest.approx(0.875)


def test_correlation_of_a_constant_is_undefined() -> None:
    assert np.isnan(correlation(np.ones(5), np.arange(5.0)))
    assert np.isnan(correlation(np.arange(2.0), np.arange(2.0)))


def test_tables_of_different_shape_are_refused() -> None:
    reference, estimate = tables()
    with pytest.raises(ValueError, match="cannot compare"):
        compare(reference, estimate[:-1])
