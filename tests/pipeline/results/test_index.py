import html
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from affect_pipe.pipeline.batch.events import AttemptStarted, ItemDone, ItemFailed
from affect_pipe.pipeline.batch.ledger import Ledger
from affect_pipe.pipeline.errors import ResultError, UsageError
from affect_pipe.pipeline.results.report.index import index_page, page_path
from affect_pipe.pipeline.results.report.index_charts import charts
from affect_pipe.pipeline.results.report.index_folder import read_folder
from affect_pipe.pipeline.results.report.index_rows import CURVE_POINTS, IndexRow
from affect_pipe.pipeline.results.report.pages import check_index, make_pages
from affect_pipe.reporting_folder import report_folder

SAMPLE = json.loads(
    (Path(__file__).resolve().parents[3] / "samples" / "expected.json").read_text("utf-8")
)


def put(folder: Path, key: str, **parts: Any) -> Path:
    path = folder / f"{key}.affect.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**SAMPLE, "features": [], "attention": {}, **parts}), "utf-8")
    return path


def data_of(page: bytes) -> Any:
    """What the page gives its scripts."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.decode())
    assert found is not None
    return json.loads(found[1])


def utterance(**parts: Any) -> dict[str, Any]:
    return {**SAMPLE["utterances"][0], **parts}


def test_a_row_counts_what_the_result_says(tmp_path: Path) -> None:
    put(tmp_path, "a")
    (row,) = read_folder(tmp_path).rows
    said = SAMPLE["utterances"]
    assert row.n_utterances == row.n_judged == len(said)
    labels = Counter(u["sentiment"]["label"] for u in said)
    assert row.sentiments == {n: labels[n] for n in ("negative", "neutral", "positive")}
    assert row.emotions == {
        name: sum(u["emotions"][name]["present"] for u in said) for name in said[0]["emotions"]
    }
    intensities = [u["sentiment"]["intensity"] for u in said]
    assert row.intensity_mean == pytest.approx(sum(intensities) / len(said), abs=5e-4)
    assert [value for _, value in row.curve] == pytest.approx(intensities, abs=5e-3)
    assert sum(row.intensities) == len(said)
    assert row.intensities[0] == sum(i < -2.5 for i in intensities)
    assert row.intensities[-1] == sum(i >= 2.5 for i in intensities)


def test_a_model_of_words_alone_lacks_no_face(tmp_path: Path) -> None:
    unused = {"present": False, "reason": "the model does not use it", "quality": {}}
    gone = {"present": False, "reason": "no words", "quality": {}}
    modalities = {"text": gone, "acoustic": unused, "visual": unused}
    put(tmp_path, "a", utterances=[utterance(modalities=modalities)])
    (row,) = read_folder(tmp_path).rows
    assert row.missing == {"text": 1, "acoustic": 0, "visual": 0}


def test_what_could_not_be_judged_breaks_the_curve(tmp_path: Path) -> None:
    nothing = utterance(sentiment=None, emotions=None)
    put(tmp_path, "a", utterances=[utterance(), nothing, utterance()])
    (row,) = read_folder(tmp_path).rows
    assert [value is None for _, value in row.curve] == [False, True, False]
    assert (row.n_judged, row.n_insufficient) == (2, 1)


def test_a_long_video_keeps_its_mean_and_its_ends(tmp_path: Path) -> None:
    n = 800
    sentiment = SAMPLE["utterances"][0]["sentiment"]
    said = [
        utterance(index=i, start_s=4.5 * i, end_s=4.5 * (i + 1),
                  sentiment={**sentiment, "intensity": round(3 * (2 * i / (n - 1) - 1), 4)})
        for i in range(n)
    ]  # fmt: skip
    put(tmp_path, "a", utterances=said, media={**SAMPLE["media"], "duration_s": 4.5 * n})
    (row,) = read_folder(tmp_path).rows
    values = [value for _, value in row.curve if value is not None]
    assert len(values) == CURVE_POINTS
    assert values == sorted(values)  # a straight rise stays one
    assert values[0] == pytest.approx(-3, abs=0.1)
    assert values[-1] == pytest.approx(3, abs=0.1)


def test_a_model_without_sentiment_or_without_decisions(tmp_path: Path) -> None:
    plain = {k: v for k, v in utterance().items() if k not in ("sentiment", "emotions")}
    level = {"label": "low", "probabilities": {"low": 0.6, "high": 0.4}}
    put(tmp_path, "muse", utterances=[{**plain, "arousal": level, "valence": level}])
    felt = {"probability": None, "present": None, "intensity": 0.5}
    faint = {**felt, "intensity": 0.49}
    sentiment = {"label": None, "probabilities": None, "intensity": 3}
    emotions = {"anger": felt, "fear": faint}
    put(tmp_path, "mosei", utterances=[utterance(sentiment=sentiment, emotions=emotions)])
    mosei, muse = read_folder(tmp_path).rows
    assert (muse.sentiments, muse.emotions, muse.curve) == (None, None, ())
    assert muse.arousal == {"low": 1, "high": 0}
    assert mosei.sentiments is None
    assert mosei.emotions == {"anger": 1, "fear": 0}
    assert mosei.intensities[-1] == 1
    page = index_page(read_folder(tmp_path), {}).decode()
    assert "not predicted" in page
    assert "2 different models" not in page


def test_charts_add_up(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path, f"v{number}")
    drawn = {chart.name: chart for chart in charts(read_folder(tmp_path).rows)}
    assert list(drawn) == ["sentiment", "intensity", "emotions", "length"]
    for name in ("sentiment", "intensity"):
        assert sum(map(sum, drawn[name].counts)) == 3 * len(SAMPLE["utterances"])
    lengths = [sum(column) for column in zip(*drawn["length"].counts, strict=True)]
    assert dict(zip(drawn["length"].labels, lengths, strict=True))["30 to 60 s"] == 3


def test_broken_files_are_listed_and_stop_nothing(tmp_path: Path) -> None:
    put(tmp_path, "sub/good")
    (tmp_path / "cut.affect.json").write_text('{"schema": "affect-pipe/1", "med')
    (tmp_path / "sub" / "batch.jsonl").mkdir()
    (tmp_path / "note.json").write_text("{")  # no result, and none of our business
    told: list[str] = []
    done = report_folder(tmp_path, index_only=True, tell=told.append)
    assert not done.is_whole
    assert [row.key for row in done.folder.rows] == ["sub/good"]
    assert [one.path for one in done.folder.unreadable] == ["cut.affect.json"]
    assert len(told) == 1
    page = done.index.read_text("utf-8")
    assert "cut.affect.json" in page
    assert "damaged or was cut off" in page


def test_failed_videos_are_told_with_their_reasons(tmp_path: Path) -> None:
    put(tmp_path, "old")
    put(tmp_path, "again")
    with Ledger(tmp_path / "batch.jsonl", "0" * 16) as ledger:
        for name in ("lost", "old", "again"):
            ledger.write(AttemptStarted(f"/v/{name}.mp4", name, 1, "w1"))
            reason = f"/v/{name}.mp4 <is> cut off."
            ledger.write(
                ItemFailed(f"/v/{name}.mp4", name, 1, "refused", reason, True, None, None, 1.0, 0)
            )
        ledger.write(ItemDone("/v/again.mp4", "again", 2, "1" * 32, {}, 1.0, 1.0, 1, (), {}, 0))
    folder = read_folder(tmp_path)
    assert [one.key for one in folder.failed] == ["lost", "old"]
    assert folder.videos == {"again": "/v/again.mp4"}
    page = index_page(folder, {}).decode()
    assert "/v/lost.mp4 &lt;is&gt; cut off." in page
    assert page.count("from before its last run, which failed") == 1


def test_mixed_models_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, "a")
    put(tmp_path, "b", model={**SAMPLE["model"], "digest": "f" * 32})
    page = index_page(read_folder(tmp_path), {}).decode()
    assert "2 different models" in page
    assert "starter (ffffffff)" in page
    assert f"starter ({SAMPLE['model']['digest'][:8]})" in page


NAMES = ["it's \"q\" & <b>", "</script><script>alert(1)</script>".replace("/", "\u2215"),
         "a#b?c%20d", "\N{GRINNING FACE} sp ace", "{{ 7 * 7 }}"]  # fmt: skip


def test_names_are_text_and_links_lead_to_the_pages(tmp_path: Path) -> None:
    names = [*NAMES, os.fsdecode(b"caf\xe9")]
    for name in names:
        media = {**SAMPLE["media"], "file": "<img src=x onerror=alert(1)>.mp4"}
        put(tmp_path, f"in {name}/{name}", media=media, warnings=["<script>alert(1)</script>"])
    folder = read_folder(tmp_path)
    page = index_page(folder, dict.fromkeys(row.key for row in folder.rows))
    assert len(folder.rows) == len(names)
    assert b"<img src=x" not in page
    assert b"<script>alert" not in page
    links = re.findall(r'<a href="([^"#]+)">', page.decode())
    wanted = {os.fsencode(page_path(row.key)) for row in folder.rows}
    assert {
        os.fsencode(unquote(html.unescape(link), errors="surrogateescape")) for link in links
    } == wanted
    assert data_of(page)["warnings"] == ["<script>alert(1)</script>"]


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    for place in ("one", "two"):
        names = ("b", "a", "sub/c")
        for name in names if place == "one" else reversed(names):
            put(tmp_path / place / "results", name)
    pages = [index_page(read_folder(tmp_path / p / "results"), {}) for p in ("one", "two")]
    assert pages[0] == pages[1]


def test_words_beyond_the_budget_are_left_out_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a")
    monkeypatch.setattr("affect_pipe.pipeline.results.report.index.MAX_WORDS", 10)
    page = index_page(read_folder(tmp_path), {})
    assert b"too many words to carry" in page
    assert data_of(page)["rows"][0]["words"] == ""


def test_only_pages_whose_result_changed_are_made_again(tmp_path: Path) -> None:
    made: list[str] = []

    def make(row: IndexRow, path: Path) -> None:
        made.append(row.key)
        path.write_text(f"page of {row.digest}")

    def again(settings: object = "s") -> list[str]:
        made.clear()
        pages = make_pages(read_folder(tmp_path).rows, tmp_path, make, settings)
        assert pages.faults == dict.fromkeys(("a", "b"))
        assert pages.made == len(made)
        return list(made)

    put(tmp_path, "a")
    put(tmp_path, "b")
    assert again() == ["a", "b"]
    assert again() == []
    put(tmp_path, "b", warnings=["another"])
    assert again() == ["b"]
    (tmp_path / "a.report.html").unlink()
    assert again() == ["a"]
    (tmp_path / "a.report.html").write_text("cut")
    assert again() == ["a"]
    assert again("others") == ["a", "b"]
    (tmp_path / ".affect-pipe-pages.json").write_text('{"schema": "affect-pipe-pages/1", "pages"')
    assert again("others") == ["a", "b"]


def test_a_page_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    def make(row: IndexRow, path: Path) -> None:
        if row.key == "a":
            raise ResultError("no room.")
        path.write_text("page")

    put(tmp_path, "a")
    put(tmp_path, "b")
    folder = read_folder(tmp_path)
    pages = make_pages(folder.rows, tmp_path, make, None)
    assert pages.faults == {"a": "no room.", "b": None}
    page = index_page(folder, pages.faults).decode()
    assert re.findall(r'<a href="([^"#]+)">', page) == ["b.report.html"]
    assert "no room." in page
    assert make_pages(folder.rows, tmp_path, make, None).kept == 1  # and a is tried again


def test_a_page_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<html>my own site</html>")
    with pytest.raises(ResultError, match="no page of affect-pipe"):
        report_folder(tmp_path, index_only=True)
    (tmp_path / "index.html").unlink()
    check_index(tmp_path / "index.html")
    (tmp_path / "cut_off.affect.json").write_text("{")
    report_folder(tmp_path, index_only=True)
    report_folder(tmp_path, index_only=True)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no result"):
        report_folder(tmp_path, index_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_has_not_begun_has_an_index_too(tmp_path: Path) -> None:
    with Ledger(tmp_path / "batch.jsonl", "0" * 16):
        pass
    done = report_folder(tmp_path, tmp_path / "pages", index_only=True)
    assert "There are no results here" in done.index.read_text("utf-8")
    assert done.is_whole


def test_wrong_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        report_folder(tmp_path / "gone")
    with pytest.raises(UsageError, match="need a folder"):
        report_folder(tmp_path, tmp_path / "x.html")
