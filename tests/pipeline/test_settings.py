"""Run settings from TOML and flags."""

import pytest

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.settings import load_settings


def write(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path):
    path = write(
        tmp_path,
        'asr = "whisper:tiny"\nlanguage = "de"\n'
        "[segmentation]\nmax_pause_s = 0.5\nmax_duration_s = 9.0\n[limits]\nmax_side_px = 1000\n",
    )
    settings = load_settings(path, {"asr": "pocketsphinx", "segmentation": {"max_pause_s": 0.4}})
    assert settings.asr == "pocketsphinx"
    assert settings.language == "de"
    assert settings.segmentation.max_pause_s == 0.4
    assert settings.segmentation.max_duration_s == 9.0
    assert settings.limits.max_side_px == 1000
    assert settings.model == "starter"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('modle = "x"', "unknown setting 'modle'.*did you mean 'model'"),
        ("[segmentation]\nmax_paus_s = 1", "did you mean 'segmentation.max_pause_s'"),
        ("[limits]\nmax_side = 1", "did you mean 'limits.max_side_px'"),
        ("[segmentation]\nmax_pause_s = -1", r"'segmentation.max_pause_s'.* is -1"),
        ("asr = 3", "'asr'.* is 3"),
        ("asr = ", "not valid TOML"),
        (f"asr = {'9' * 5000}", "not valid TOML"),
        ('language = ""', "'language'.* must not be empty"),
        ('transcript = ""', "'transcript'.* must not be empty"),
        ('model = "a\\u0000b"', "'model'.* NUL"),
        ("[limits]\nmax_bytes = -1", "'limits.max_bytes'.* is -1: expected a number above 0"),
        ("[limits]\nmax_duration_s = nan", "is nan: expected a finite number"),
        ("[limits]\nmax_side_px = 1e9", "expected a number of at most 32767"),
        ('[limits]\naudio_in_memory_s = "RAM"', "is 'RAM': expected a number"),
        ("[limits]\nmax_words_per_s = 0", "expected a number above 0"),
        ("limits = 3", "expected a table"),
        ("[segmentation]\nmin_duration_s = 20.0", "min_duration_s 20.0 must not exceed"),
        (f"asr = {['y' * 900]}", r"is .{0,100}\.\.\.: expected text"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        load_settings(write(tmp_path, text), {})


def test_a_mistake_on_the_command_line_is_not_blamed_on_the_file(tmp_path):
    path = write(tmp_path, "[segmentation]\nmax_pause_s = 0.5")
    with pytest.raises(UsageError) as caught:
        load_settings(path, {"segmentation": {"max_pause_s": -1.0}})
    assert str(path) not in str(caught.value)


def test_a_missing_settings_file(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read"):
        load_settings(tmp_path / "nowhere.toml", {})
