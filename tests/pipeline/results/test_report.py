"""Pages as text: what is in them, what is not, whatever the result."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import webvtt
from jsonschema import Draft202012Validator

from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.records import Audio, FeatureSpec, Prediction, VideoFeatures
from affect_pipe.pipeline.results.json_result import schema, to_json
from affect_pipe.pipeline.results.report.captions import to_webvtt
from affect_pipe.pipeline.results.report.data import Player, ReportData
from affect_pipe.pipeline.results.report.measures import readable
from affect_pipe.pipeline.results.report.signals import faces_in_view, traces_of, waveform
from affect_pipe.pipeline.results.report.video_page import video_page, write_video_page

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp; {{ 7*7 }} \"'"


class Elements(HTMLParser):
    """All start tags with their attributes, and the text of scripts and styles by tag."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, dict[str, str | None], str]] = []
        self.text = ""
        self._open = ""
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag in ("script", "style"):
            self.inside.append((tag, dict(attrs), ""))

    def handle_data(self, data):
        if self._open in ("script", "style") and self.inside:
            tag, attributes, text = self.inside[-1]
            self.inside[-1] = (tag, attributes, text + data)
        else:
            self.text += data

    def handle_endtag(self, tag):
        self._open = ""

    def data(self):
        return next(json.loads(t) for _, a, t in self.inside if a.get("id") == "data")


@pytest.fixture
def document(result):
    return json.loads(json.dumps(to_json(result)))


def page_of(document, **parts) -> Elements:
    Draft202012Validator(schema()).validate(document)
    return Elements(video_page(ReportData(document, **parts)))


def test_a_row_an_utterance_with_what_was_found(document):
    page = page_of(document)
    rows = [a for t, a in page.tags if t == "tr" and "data-number" in a]
    assert len(rows) == len(document["utterances"])
    for word in ("positive", "Oh no.", "no face", "no words recognised", "a talk.mp4"):
        assert word in page.text
    assert [u["start"] for u in page.data()["utterances"]] == [0.5, 61.25, 3700.0]


def test_nothing_a_user_wrote_becomes_markup(document):
    document["media"]["file"] = f"{EVIL}.mp4"
    document["warnings"] = document["asr"]["warnings"] = [EVIL]
    document["model"] |= {"name": EVIL, "licence": EVIL}
    document["asr"]["model"] = EVIL
    document["features"][0]["settings"] = {EVIL: EVIL}
    for utterance in document["utterances"]:
        utterance |= {"text": EVIL, "speaker": EVIL}
    harmless = page_of(json.loads(json.dumps(document).replace(json.dumps(EVIL)[1:-1], "x")))
    page = page_of(document)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert EVIL in page.text
    assert page.data()["utterances"][0]["text"] == EVIL
    assert not any(name.startswith("on") for _, a in page.tags for name in a)


def test_a_file_name_that_is_no_text_is_shown_with_marks(document):
    document["media"]["file"] = "caf\udce9.mp4"
    document["utterances"][0]["text"] = "half \ud83d of a pair"
    page = page_of(document)
    assert "caf\N{REPLACEMENT CHARACTER}.mp4" in page.text


def test_the_policy_lets_run_only_what_is_inside_and_ask_for_nothing(document):
    page = page_of(document)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"] + rules["style-src"]
    for tag, attributes, text in page.inside:
        if attributes.get("type", "text/javascript") != "text/javascript":
            continue
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules[f"{tag}-src"]
    # Nothing names a place on any network, and no script or style is anywhere else.
    for tag, attributes in page.tags:
        assert "srcset" not in attributes
        assert tag not in ("iframe", "object", "embed", "base", "form") or tag == "form"
        for name in ("src", "href"):
            given = attributes.get(name) or "#"
            assert given.startswith(("#", "data:")), (tag, given)


def test_the_same_result_gives_the_same_bytes(document):
    assert video_page(ReportData(document)) == video_page(ReportData(document))


def test_a_link_is_to_a_file_beside_the_page_and_says_what_may_go_wrong(document):
    page = page_of(document, player=Player("link", "a%20talk.mkv", note="Browsers may not play."))
    assert next(a["src"] for t, a in page.tags if t == "video") == "a%20talk.mkv"
    assert "Browsers may not play." in page.text


def test_without_a_video_there_is_no_player(document):
    assert not any(tag == "video" for tag, _ in page_of(document).tags)


def test_sound_alone_has_a_player_and_no_picture(document):
    document["media"]["video"] = None
    page = page_of(document, player=Player("embed", preview=b"mp4"))
    video = next(a for t, a in page.tags if t == "video")
    assert video["class"] == "heard"
    assert "width" not in video
    packed = next(text for _, a, text in page.inside if a.get("id") == "preview")
    assert base64.b64decode(packed) == b"mp4"


def test_maps_of_what_is_absent_are_left_out_and_said(document):
    n = len(document["utterances"])
    full = [[[0, 1.0]] for _ in range(n)]
    empty = [[] for _ in range(n)]
    document["attention"] = {"text-acoustic/N1": full, "text-visual/N1": empty}
    page = video_page(ReportData(document))
    assert [m["name"] for m in Elements(page).data()["attention"]] == ["text-acoustic/N1"]
    assert b"1 map is left out" in page
    document["attention"] = {"text-visual/N1": empty}
    assert b"No map has a weight" in video_page(ReportData(document))


def test_no_stage_takes_no_time(document):
    document["timings_s"] = {"decode": 0.0, "fusion": 0.012}
    text = video_page(ReportData(document)).decode()
    assert "from the cache, or under 5 ms" in text
    assert "0.01 s" in text
    assert "0.00 s" not in text


def test_nobody_speaks(result):
    silent = replace(result, features=VideoFeatures((), {}), prediction=Prediction(()))
    page = page_of(json.loads(json.dumps(to_json(silent))))
    assert "nothing was judged" in page.text
    assert not any(tag == "table" and a.get("id") == "utterances" for tag, a in page.tags)


def test_what_is_missing_is_said(document):
    page = page_of(document)
    assert "--explain" in page.text
    assert "No feature of this model has columns that a person can read." in page.text


def test_what_is_no_result_is_refused_in_a_sentence(document, tmp_path):
    del document["utterances"][1]["modalities"]
    with pytest.raises(ResultError, match=r"a talk\.mp4 does not have the shape"):
        write_video_page(ReportData(document), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_captions_are_read_back_by_a_reader_of_webvtt(document):
    document["utterances"][0]["text"] = "a < b &amp; --> \n\n c"
    captions = webvtt.from_buffer(StringIO(to_webvtt(document["utterances"]).decode()))
    assert len(captions) == len(document["utterances"])
    assert captions[0].start == "00:00:00.500"
    assert captions[1].lines[0] == "Ann: Oh no."
    first = captions[0].raw_text.split("\n")
    assert first[0] == "a &lt; b &amp;amp; --&gt; c"
    assert re.match(r"positive \+\d\.\d", first[1])


def test_attention_is_packed_and_read_back(document):
    page = page_of(document).data()
    n, kept = len(document["utterances"]), page["attended"]
    for packed in page["attention"]:
        index = np.frombuffer(base64.b64decode(packed["index"]), "<u2").reshape(n, kept)
        weight = np.frombuffer(base64.b64decode(packed["weight"]), "<u2").reshape(n, kept)
        for i, pairs in enumerate(document["attention"][packed["name"]]):
            found = [[int(j), w / 10000] for j, w in zip(index[i], weight[i], strict=True) if w]
            assert found == [[j, pytest.approx(w, abs=1e-9)] for j, w in pairs]


def test_only_columns_that_people_know_are_shown():
    columns = ("AU12_mean", "AU12_std", "shape_001_mean", "F0semitoneFrom27.5Hz_sma3nz_amean")
    found = readable(columns, means=True)
    assert [(place, m.label) for place, m in found] == [(0, "AU12 lip corner puller"), (3, "pitch")]
    assert [m.unit for _, m in found] == ["", "semitones over 27.5 Hz"]
    assert readable(("minilm_000", "minilm_001"), means=True) == []


def test_a_waveform_keeps_the_loudest_sample_of_each_step():
    samples = np.zeros(16000 * 3, np.float32)
    samples[16000 + 100] = -0.5
    peaks, step_s = waveform(Audio(samples, start_s=1.0), 4.0)
    assert np.flatnonzero(peaks) * step_s == pytest.approx([2.0])
    assert peaks.max() == 128


def table_of_faces(time_s, au12, speaking) -> FrameTable:
    spec = FeatureSpec("facemesh", "visual", 1, ("AU12_mean",), "1")
    values = np.array(au12, np.float32)[:, None]
    labels = {"speaking": tuple(speaking)}
    return FrameTable(spec, ("AU12",), ("",), np.array(time_s, np.float64), values, labels=labels)


def test_traces_are_of_the_speaking_face_and_bridge_only_short_gaps():
    table = table_of_faces([0.0, 0.0, 0.32, 0.4, 1.2], [0.1, 0.9, 0.4, 0.5, 0.7], [1, 0, 1, 1, 1])
    traces = traces_of(table, 1.5)
    assert traces is not None
    expected = [0.1, 0.2, 0.3, 0.4, 0.5, *[np.nan] * 7, 0.7, np.nan, np.nan]
    np.testing.assert_allclose(traces.values[:, 0], expected, atol=1e-6)


def test_faces_in_view_are_counted():
    counts, step_s = faces_in_view(table_of_faces([0.0, 0.0, 0.1], [0, 0, 0], [1, 0, 1]), 0.3)
    assert (counts.tolist(), step_s) == ([2, 1, 0], 0.1)


def test_the_page_is_written_whole(document, tmp_path: Path):
    write_video_page(ReportData(document), tmp_path / "deep" / "page.html")
    assert (tmp_path / "deep" / "page.html").read_bytes().endswith(b"</html>\n")
