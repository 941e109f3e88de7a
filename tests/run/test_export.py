"""Exports and annotations on the command line: a run, files, a person's corrections, figures."""

from __future__ import annotations

import json
import warnings

import pytest

from affect_pipe.cli import main
from affect_pipe.pipeline.results.exports.formats import FORMATS


@pytest.fixture(scope="session")
def results(clip, untrained, tmp_path_factory):
    """A run of the clip that exports everything."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFFECT_PIPE_CACHE", str(folder / "cache"))
        asked = ["--model", str(untrained), "--export", ",".join(FORMATS)]
        assert main(["run", str(clip), "--out", str(folder / "out"), *asked]) == 0
    return folder / "out"


def test_a_run_writes_every_format_asked_for(results):
    expected = {f"clip{kind.suffix}" for kind in FORMATS.values()} | {"clip.affect.json"}
    assert {path.name for path in results.iterdir()} == expected


def test_export_of_the_json_is_what_the_run_exported(results, tmp_path, capsys):
    formats = ["textgrid", "vtt", "srt", "audacity", "parquet", "jsonl"]
    assert main(["export", str(results), "--to", ",".join(formats), "--out", str(tmp_path)]) == 0
    assert "wrote" in capsys.readouterr().out
    for name in formats:
        file = f"clip{FORMATS[name].suffix}"
        if name != "parquet":
            assert (tmp_path / file).read_bytes() == (results / file).read_bytes(), file
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {
        f"clip{FORMATS[name].suffix}" for name in formats
    }


def test_elan_names_the_video_where_it_lies(results, clip, tmp_path, capsys):
    asked = ["--to", "eaf", "--out", str(tmp_path / "e"), "--media", str(clip.parent)]
    assert main(["export", str(results / "clip.affect.json"), *asked]) == 0
    text = (tmp_path / "e" / "clip.affect.eaf").read_text("utf-8")
    assert "/clip.mp4" in text.partition("RELATIVE_MEDIA_URL=")[2][:400]
    assert str(clip.parent) not in text.partition("RELATIVE_MEDIA_URL=")[0]


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["{out}", "--to", "elan"], 2, "unknown format 'elan'"),
        (["{out}", "--to", ","], 2, "no format is named"),
        (["{out}/none.json", "--to", "eaf"], 2, "there is no result"),
        (["{tmp}", "--to", "eaf"], 2, "holds no result"),
        (["{tmp}/bad.affect.json", "--to", "eaf"], 2, "schema"),
        (["{tmp}/cut.affect.json", "--to", "eaf"], 2, "damaged"),
        (["{tmp}/text.affect.json", "--to", "eaf"], 2, "is no JSON"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_sentence(
    results, tmp_path, capsys, arguments, code, part
):
    folder = tmp_path / "in"
    folder.mkdir()
    if any("bad" in a or "cut" in a or "text" in a for a in arguments):
        found = json.loads((results / "clip.affect.json").read_text("utf-8"))
        del found["utterances"][0]["end_s"]
        (folder / "cut.affect.json").write_text(json.dumps(found))
        (folder / "bad.affect.json").write_text("{}")
        (folder / "text.affect.json").write_text("{")
    given = [a.format(out=results, tmp=folder) for a in arguments]
    assert main(["export", *given]) == code
    err = capsys.readouterr().err
    assert part in err
    assert err.count("\n") == 1


def test_a_bad_result_does_not_stop_the_others(results, tmp_path, capsys):
    (tmp_path / "a.affect.json").write_text("{}")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.affect.json").write_bytes((results / "clip.affect.json").read_bytes())
    assert main(["export", str(tmp_path), "--to", "srt", "--out", str(tmp_path / "o")]) == 1
    # Sub-folders are kept apart.
    assert (tmp_path / "o" / "deep" / "b.affect.srt").is_file()


def test_a_result_edited_by_hand_is_refused_or_exported_never_a_crash(results, tmp_path, capsys):
    found = json.loads((results / "clip.affect.json").read_text("utf-8"))
    for number, change in enumerate(
        (
            lambda u: u.pop("modalities"),
            lambda u: u["modalities"].pop("visual"),
            lambda u: u["modalities"]["visual"].pop("quality"),
            lambda u: u["modalities"]["visual"].update(quality={"x": "y"}),
            lambda u: u.update(speaker=7),
            lambda u: u.update(sentiment="positive"),
            lambda u: u.update(start_s=float("nan")),
            lambda u: u.update(end_s=-1),
            lambda u: u["emotions"].update(happy={"probability": 2}),
        )
    ):
        document = json.loads(json.dumps(found))
        change(document["utterances"][0])
        (tmp_path / f"{number}.affect.json").write_text(json.dumps(document))
    out = tmp_path / "o"
    assert main(["export", str(tmp_path), "--to", ",".join(FORMATS), "--out", str(out)]) == 1
    err = capsys.readouterr().err
    assert "unexpected" not in err
    assert err.count("\n") == 9


def test_corrected_in_elan_it_becomes_labels_and_a_measure(results, tmp_path, capsys):
    pympi = pytest.importorskip("pympi")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eaf = pympi.Elan.Eaf(str(results / "clip.affect.eaf"))
    spoken = eaf.get_annotation_data_for_tier("text")
    # A person turns the sentiment of the first utterance round and leaves the rest as it is.
    start, end, *_ = spoken[0]
    (before,) = [r[2] for r in eaf.get_ref_annotation_data_for_tier("sentiment") if r[0] == start]
    after = "negative" if before == "positive" else "positive"
    eaf.remove_ref_annotation("sentiment", (start + end) // 2)
    eaf.add_ref_annotation("sentiment", "text", (start + end) // 2, after)
    gold = tmp_path / "gold.eaf"
    eaf.to_file(str(gold))

    assert main(["labels", str(gold), "--out", str(tmp_path / "labels.csv")]) == 0
    assert f",{after}," in (tmp_path / "labels.csv").read_text("utf-8").splitlines()[1]

    capsys.readouterr()
    asked = [str(results / "clip.affect.json"), "--gold", str(gold), "--json"]
    assert main(["evaluate", *asked]) == 0
    report = json.loads(capsys.readouterr().out)
    n = len(spoken)
    assert (report["matched"], report["gold_unmatched"]) == (n, 0)
    figures = {(f["of"], f["metric"]): f["value"] for f in report["figures"]}
    assert figures["sentiment", "accuracy"] == pytest.approx(1 - 1 / n, abs=1e-6)
    assert figures["sentiment intensity", "mae"] == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--gold", "x.eaf"], "needs a result"),
        (["--recipe", "starter"], "needs --data"),
        (["r.json", "--gold", "x.eaf", "--overlap", "0"], "--overlap"),
    ],
)
def test_evaluate_says_what_goes_together(capsys, arguments, part):
    assert main(["evaluate", *arguments]) == 2
    assert part in capsys.readouterr().err


def test_run_refuses_an_unknown_export_before_any_work(clip, tmp_path, capsys):
    assert main(["run", str(clip), "--out", str(tmp_path), "--export", "doc"]) == 2
    assert "unknown format 'doc'" in capsys.readouterr().err


def test_two_annotations_of_one_video_are_refused_not_doubled(results, tmp_path, capsys):
    out = ["--out", str(tmp_path / "labels.csv")]
    assert main(["labels", str(results), *out]) == 2
    told = capsys.readouterr().err
    assert "clip.affect.eaf" in told
    assert "clip.affect.TextGrid" in told
    assert "are both of the video 'clip.mp4'" in told
    # Also where only one of them knows how the video's name ends.
    away = tmp_path / "clip.affect.TextGrid"
    away.write_bytes((results / away.name).read_bytes())
    for pair in ([results / "clip.affect.eaf", away], [away, results / "clip.affect.eaf"]):
        assert main(["labels", *map(str, pair), *out]) == 2
        assert "are both of the video" in capsys.readouterr().err
    # A name with a dot is another name.
    second = away.with_name("clip.v2.affect.TextGrid")
    second.write_bytes(away.read_bytes())
    assert main(["labels", str(away), str(second), *out]) == 0


def test_a_textgrid_beside_its_result_is_of_the_same_video_as_the_eaf(results, tmp_path):
    tables = []
    for name in ("clip.affect.eaf", "clip.affect.TextGrid"):
        out = tmp_path / f"{name}.csv"
        assert main(["labels", str(results / name), "--out", str(out)]) == 0
        tables.append({row.partition(",")[0] for row in out.read_text("utf-8").splitlines()})
    assert tables[0] == tables[1]
    assert any("clip.mp4" in name for name in tables[0])


def test_an_annotation_that_measures_nothing_is_a_failure(results, tmp_path, capsys):
    gold = tmp_path / "gold.TextGrid"
    grid = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{end}\n<exists>\n1\n'
        '"IntervalTier"\n"text"\n0\n{end}\n1\n0\n{end}\n"words"\n'
    )
    gold.write_text(grid.format(end=9999))
    asked = [str(results / "clip.affect.json"), "--gold", str(gold), "--json"]
    assert main(["evaluate", *asked]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["figures"] == []
    assert "nothing was measured" in said.err
