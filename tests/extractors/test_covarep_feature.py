"""COVAREP's measures as a feature: rows and times of the reference, means of utterances."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

from affect_pipe.cli import main
from affect_pipe.extractors.acoustic.covarep.columns import INDEX, NAMES
from affect_pipe.extractors.acoustic.covarep.feature import Covarep
from affect_pipe.extractors.corpora import ClipSource
from affect_pipe.extractors.registry import build
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.interfaces import FrameLevel
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import Audio, Interval, Media, Utterance, Word

CLIP = "03-01-03-01-02-01-02"
RATE_HZ = 16000


@pytest.fixture(scope="module")
def references(data_dir):
    folder = data_dir / "covarep"
    if not folder.is_dir():
        pytest.skip(f"no reference output at {folder}")
    return folder


@pytest.fixture(scope="module")
def samples(sample):
    """Four seconds of the sample's speech."""
    return read_audio(probe(sample)).samples[: 4 * RATE_HZ]


def source_of(samples, start_s=0.0):
    audio = None if samples is None else Audio(np.asarray(samples, np.float32), start_s=start_s)
    media = Media("clip", "", "wav", 0.0 if audio is None else audio.duration_s, None, None)
    speech = () if audio is None else (Interval(start_s, start_s + audio.duration_s),)
    return ClipSource(media, audio, speech)


@pytest.fixture(scope="module")
def table(samples):
    extractor = Covarep()
    assert isinstance(extractor, FrameLevel)
    return extractor.frame_table(source_of(samples), ())


def test_a_frame_file_has_the_rows_and_columns_of_the_reference(references, tmp_path):
    arguments = ["extract", references / f"{CLIP}.wav", "--features", "covarep"]
    arguments += ["--level", "frame", "--format", "csv", "--out", tmp_path]
    assert main(list(map(str, arguments))) == 0
    with (references / f"{CLIP}.csv").open(newline="") as stream:
        header, *expected = csv.reader(stream)
    with (tmp_path / f"{CLIP}.covarep.frame.csv").open(newline="") as stream:
        names, *rows = csv.reader(stream)
    assert names == ["time_s", *header]
    assert len(rows) == len(expected)
    found, wanted = np.array(rows, float), np.array(expected, float)
    np.testing.assert_allclose(found[:, 0], 0.005 + 0.01 * np.arange(len(found)), atol=1e-9)
    voiced = (found[:, 2] > 0) & (wanted[:, 1] > 0)
    assert voiced.sum() > 30
    # Rows of the same moments: pitch, where both hear a voice.
    assert np.corrcoef(found[voiced, 1], wanted[voiced, 0])[0, 1] > 0.95


def test_an_utterance_is_the_mean_of_its_rows(samples, table):
    utterances = [Utterance(0, 0.8, 1.9, ""), Utterance(1, 1.9, 4.0, "")]
    block = Covarep().extract(source_of(samples), utterances)
    assert block.present.all()
    assert block.spec.columns == NAMES
    for row, utterance in enumerate(utterances):
        # Rows at 5, 15, 25 ms ...
        first, last = round(utterance.start_s * 100), round(utterance.end_s * 100)
        expected = table.values[first:last].mean(axis=0)
        np.testing.assert_allclose(block.values[row], expected, rtol=1e-5, atol=1e-6)
    assert (block.quality["speech_s"] > 1).all()


def test_voiced_rows_only(samples, table):
    block = Covarep(rows="voiced").extract(source_of(samples), [Utterance(0, 0.8, 3.0, "")])
    rows = table.values[80:300]
    expected = rows[rows[:, INDEX["VUV"]] == 1].mean(axis=0)
    np.testing.assert_allclose(block.values[0], expected, rtol=1e-5, atol=1e-6)
    assert block.values[0, INDEX["VUV"]] == 1


def test_utterances_do_not_change_the_rows(samples):
    source = source_of(samples)
    together = Covarep().extract(source, [Utterance(0, 0.8, 1.9, ""), Utterance(1, 1.9, 3.0, "")])
    alone = Covarep().extract(source, [Utterance(0, 1.9, 3.0, "")])
    np.testing.assert_array_equal(together.values[1], alone.values[0])


def test_times_are_on_the_clock_of_the_media(samples, table):
    late = Covarep().frame_table(source_of(samples, start_s=5.0), ())
    np.testing.assert_allclose(late.time_s, table.time_s + 5.0)
    np.testing.assert_array_equal(late.values, table.values)


def test_what_cannot_be_described_is_absent_with_a_reason(samples):
    padded = np.concatenate([samples, np.zeros(RATE_HZ, np.float32)])
    utterances = [
        Utterance(0, 0.9, 1.0, ""),
        Utterance(1, 4.1, 4.9, "", (Word("a", 4.1, 4.9),)),
        Utterance(2, 9.0, 10.0, ""),
    ]
    block = Covarep().extract(source_of(padded), utterances)
    assert block.reasons == ("less than 0.2 s of audio", "silence", "less than 0.2 s of audio")
    assert Covarep().extract(source_of(None), utterances).reasons == ("no audio track",) * 3


def test_digital_silence_within_speech_leaves_finite_means(samples):
    holed = samples.copy()
    holed[RATE_HZ : RATE_HZ + 6400] = 0
    block = Covarep().extract(source_of(holed), [Utterance(0, 0.5, 3.0, "")])
    assert block.present.all()
    assert np.isfinite(block.values).all()


@pytest.mark.parametrize("n", [0, 100, 3200, 8000])
def test_short_sound_does_not_fail(samples, n):
    table = Covarep().frame_table(source_of(samples[16000 : 16000 + n]), ())
    # Rows = floor((N - 80) / 160) + 1, or none where nothing can be measured.
    assert len(table.values) in (0, (n - 80) // 160 + 1)
    assert not np.isnan(table.values).any()


def test_settings_and_name():
    assert build("covarep", {"rows": "voiced"}).spec().settings == {
        "rows": "voiced",
        "functionals": ["mean"],
        "speech_level_db": None,
    }
    with pytest.raises(UsageError, match="'all' or 'voiced'"):
        build("covarep", {"rows": "some"})
    assert build("covarep").spec().dim == len(build("covarep").units()) == 74


def test_two_acoustic_features_in_one_run(sample, tmp_path, ffmpeg):
    clip = tmp_path / "clip.wav"
    ffmpeg("-i", sample, "-t", 4, "-vn", clip)
    clip.with_suffix(".srt").write_text("1\n00:00:00,800 --> 00:00:03,860\nOn Monday.\n")
    arguments = ["extract", clip, "--features", "covarep,egemaps", "--out", tmp_path]
    assert main(list(map(str, arguments))) == 0
    tables = [pq.read_table(tmp_path / f"clip.{n}.utterance.parquet") for n in
              ("covarep", "egemaps")]  # fmt: skip
    for name in ("start_s", "end_s", "text", "present", "speech_s", "snr_db"):
        assert tables[0][name].to_pylist() == tables[1][name].to_pylist()
    assert tables[0].column_names[8:] == list(NAMES)


def test_louder_sound_moves_the_log_amplitude_alone(samples):
    quiet, loud = (
        Covarep().frame_table(source_of(samples * gain), ()).values for gain in (0.25, 0.5)
    )
    moved = np.zeros(len(NAMES))
    moved[INDEX["MCEP_0"]] = np.log(2)
    # A search that stops at a tolerance may stop a step apart.
    assert np.isclose(loud - moved, quiet, atol=1e-6).mean() > 0.999
    np.testing.assert_allclose(loud - moved, quiet, atol=2e-3)


def test_at_one_level_it_does_not_matter_how_loud_the_recording_is(samples):
    utterance = [Utterance(0, 0.5, 2.5, "", (Word("a", 0.5, 2.5),))]
    extractor = Covarep(functionals=("std", "mean"), speech_level_db=-26.0)
    quiet, loud = (
        extractor.extract(source_of(samples * gain), utterance).values for gain in (0.25, 0.5)
    )
    np.testing.assert_allclose(loud, quiet, rtol=1e-4, atol=1e-4)


def test_deviations_follow_the_means(samples, table):
    utterance = [Utterance(0, 0.5, 2.5, "", (Word("a", 0.5, 2.5),))]
    extractor = Covarep(functionals=("mean", "std"))
    block = extractor.extract(source_of(samples), utterance)
    inside = table.values[(table.time_s >= 0.5) & (table.time_s < 2.5)]
    columns = extractor.spec().columns
    assert (columns[0], columns[74]) == ("F0_mean", "F0_std")
    assert len(extractor.units()) == 148
    np.testing.assert_allclose(block.values[0, :74], inside.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(block.values[0, 74:], inside.std(0), rtol=1e-5, atol=1e-6)
    again = build("covarep", extractor.spec().settings)
    assert again.spec() == extractor.spec()


@pytest.mark.parametrize("functionals", [(), ("max",), "mean"])
def test_functionals_that_cannot_be(functionals):
    with pytest.raises(UsageError, match="some of mean, std"):
        Covarep(functionals=functionals)
