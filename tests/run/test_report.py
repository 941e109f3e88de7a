"""The report of results: what is asked wrongly, what is not to be had, what the video becomes."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import av
import pytest

from affect_pipe.api import report
from affect_pipe.cli import main
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.fingerprint import digest_file
from affect_pipe.pipeline.media import probe
from affect_pipe.pipeline.results.report.preview import LINES, make_preview
from affect_pipe.reporting import ReportOptions


@pytest.fixture
def result(sample: Path, tmp_path: Path) -> Path:
    """The sample's expected result, as a file alone in its folder."""
    path = tmp_path / "results" / "talking.affect.json"
    path.parent.mkdir()
    document = json.loads((sample.parent / "expected.json").read_text("utf-8"))
    document["media"]["digest"] = digest_file(sample)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def data_of(page: Path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text("utf-8"))[1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "is no JSON"),
        ("[1, 2]", "is no result of the shape affect-pipe/1"),
        ('{"schema": "affect-pipe/2"}', "is no result of the shape affect-pipe/1"),
        ('{"schema": "affect-pipe/1", "media": {}}', "lacks asr, model"),
    ],
)
def test_what_is_no_result_is_told_in_a_sentence(tmp_path, capsys, text, says):
    path = tmp_path / "x.affect.json"
    path.write_text(text, encoding="utf-8")
    assert main(["report", str(path)]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == [path]


def test_one_bad_result_does_not_stop_the_others(result, tmp_path, capsys):
    absent = tmp_path / "absent.affect.json"
    assert main(["report", str(absent), str(result), "--out", str(tmp_path / "pages")]) == 2
    assert (tmp_path / "pages" / "talking.report.html").is_file()
    assert "absent.affect.json cannot be read" in capsys.readouterr().err


def test_one_page_is_not_for_two_results(result, tmp_path, capsys):
    assert main(["report", str(result), str(result), "--out", str(tmp_path / "x.html")]) == 2
    assert "name a folder" in capsys.readouterr().err


def test_a_video_that_is_not_there_is_left_out_and_said(result):
    page = report(result)
    assert page == result.with_name("talking.report.html")
    found = data_of(page)
    assert found["player"]["kind"] == "none"
    assert found["waveform"] is None
    assert "talking.mp4 is not beside the result" in page.read_text("utf-8")


def test_another_video_of_the_name_is_not_shown(result):
    result.with_name("talking.mp4").write_bytes(b"something else")
    assert "is not the file that was analysed" in report(result).read_text("utf-8")
    with pytest.raises(UsageError, match="its digest is another"):
        report(result, options=ReportOptions(media=result.parent))


@pytest.mark.parametrize("place", ["above", "current"])
def test_the_video_is_found_where_a_run_leaves_it(result, sample, tmp_path, monkeypatch, place):
    started_in = result.parent.parent if place == "above" else tmp_path / "films"
    started_in.mkdir(exist_ok=True)
    (started_in / "talking.mp4").write_bytes(sample.read_bytes())
    # One of the same name that is another hides it nowhere.
    result.with_name("talking.mp4").write_bytes(b"something else")
    if place == "current":
        monkeypatch.chdir(started_in)
    told: list[str] = []
    found = data_of(report(result, options=ReportOptions(video="link"), tell=told.append))
    source = {"above": "../talking.mp4", "current": "../films/talking.mp4"}[place]
    assert found["player"]["source"] == source
    assert found["waveform"] is not None
    assert told == []


def test_a_video_that_is_not_there_is_told_once(result, capsys):
    assert main(["report", str(result)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "talking.mp4 is not beside the result" in line
    assert "--media" in line


@pytest.mark.parametrize("choice", ["embed", "link"])
def test_a_video_that_was_asked_for_and_is_not_there_is_a_failure(result, capsys, choice):
    page = result.with_name("talking.report.html")
    assert main(["report", str(result), "--video", choice]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"has no video to {choice}" in line
    assert data_of(page)["player"]["kind"] == "none"
    # Of a folder: the page is there and linked to.
    assert main(["report", str(result.parent), "--video", choice]) == 1
    index = result.with_name("index.html").read_text("utf-8")
    assert 'href="talking.report.html"' in index
    (line,) = capsys.readouterr().err.splitlines()
    assert f"has no video to {choice}" in line


def test_a_page_is_an_html_file_or_in_a_folder(result, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert main(["report", str(result), "--out", str(tmp_path / "foo.txt")]) == 2
    assert "name an .html file, or a folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty")]) == 2
    assert "holds no result" in capsys.readouterr().err
    (tmp_path / "empty").rmdir()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_video_is_no_result(sample, capsys):
    assert main(["report", str(sample)]) == 2
    told = capsys.readouterr().err
    assert "is no JSON" in told
    assert "codec" not in told


def test_an_unknown_choice_of_video_is_refused():
    with pytest.raises(UsageError, match="unknown video 'dvd': use auto, embed, link, none"):
        ReportOptions(video="dvd")  # type: ignore[arg-type]


def test_a_link_is_relative_to_the_page(result, sample, tmp_path):
    film = tmp_path / "films" / "a film #1?.mp4"
    film.parent.mkdir()
    film.write_bytes(sample.read_bytes())
    document = json.loads(result.read_text("utf-8"))
    document["media"]["file"] = film.name
    result.write_text(json.dumps(document), encoding="utf-8")
    page = report(result, options=ReportOptions(video="link", media=film.parent))
    source = data_of(page)["player"]["source"]
    assert source == "../films/a%20film%20%231%3F.mp4"


def test_the_name_in_a_result_leads_nowhere_else(result, sample, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "talking.mp4").write_bytes(sample.read_bytes())
    document = json.loads(result.read_text("utf-8"))
    document["media"]["file"] = "../elsewhere/talking.mp4"
    result.write_text(json.dumps(document), encoding="utf-8")
    assert data_of(report(result))["player"]["kind"] == "none"


def test_without_the_cache_the_sound_is_shown_and_the_features_are_not_computed(result, sample):
    for path in (sample, sample.with_suffix(".srt")):
        result.with_name(path.name).write_bytes(path.read_bytes())
    found = data_of(report(result, options=ReportOptions(video="none")))
    assert found["waveform"] is not None
    assert found["values"] == found["traces"] == []
    assert "--recompute" in found["missing"]["values"]


def test_a_preview_plays_everywhere_and_is_the_same_each_time(make_media):
    path = make_media(
        *("tall.mkv", "-f", "lavfi", "-i", "testsrc2=s=1280x722:r=30:d=2"),
        *("-f", "lavfi", "-i", "sine=d=2", "-c:v", "libx264", "-c:a", "flac"),
    )
    media = probe(path)
    preview = make_preview(media)
    time.sleep(1.1)  # a time stamp inside would differ
    assert make_preview(media) == preview
    small = path.with_name("preview.mp4")
    small.write_bytes(preview)
    with av.open(str(small)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.height, video.format.name, audio.channels) == (LINES, "yuv420p", 1)
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.1)


def test_a_preview_of_sound_alone_has_no_picture(make_media):
    media = probe(make_media("tone.wav", "-f", "lavfi", "-i", "sine=d=1"))
    small = media.path.with_name("preview.mp4")
    small.write_bytes(make_preview(media))
    found = probe(small)
    assert found.video is None
    assert found.audio is not None
