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
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        load_settings(write(tmp_path, text), {})


def test_a_missing_settings_file(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read"):
        load_settings(tmp_path / "nowhere.toml", {})
