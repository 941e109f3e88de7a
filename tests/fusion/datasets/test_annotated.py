"""What people do to exported files in ELAN and Praat, done with pympi, and read back as labels."""

from __future__ import annotations

import csv
import re

import pytest

from affect_pipe.annotations import evaluate_against, labels_from_annotations
from affect_pipe.fusion.datasets.annotated import read_annotated
from affect_pipe.fusion.datasets.folder_labels import read_labels
from affect_pipe.fusion.datasets.labelled_dialogues import build_dialogues
from affect_pipe.pipeline.annotation.tiers import AnnotationError
from affect_pipe.pipeline.errors import AffectPipeError, UsageError

pympi = pytest.importorskip("pympi")


@pytest.fixture
def made(tmp_path):
    """Save what a person made in ELAN: utterances with values under them."""

    def make(rows, name="talk.eaf", media="talk.mp4", change=lambda eaf: None, speaker=""):
        eaf = pympi.Elan.Eaf(author="somebody")
        eaf.remove_tier("default")
        if media:
            eaf.add_linked_file(f"/home/me/{media}", f"./{media}", "video/mp4")
        eaf.add_linguistic_type("under", "Symbolic_Association", timealignable=False)
        behind = f"@{speaker}" if speaker else ""
        text = f"text{behind}"
        eaf.add_tier(text, part=speaker or None)
        for start, end, words, _ in rows:
            eaf.add_annotation(text, start, end, words)
        for kind in dict.fromkeys(k for *_, values in rows for k in values):
            eaf.add_tier(f"{kind}{behind}", "under", text)
            for start, _, _, values in rows:
                if kind in values:
                    eaf.add_ref_annotation(f"{kind}{behind}", text, start + 1, values[kind])
        change(eaf)
        path = tmp_path / name
        eaf.to_file(str(path))
        return path

    return make


ROWS = [
    (
        0,
        2000,
        "I like it",
        {"sentiment": "positive", "sentiment intensity": "2", "happy": "present"},
    ),
    (2500, 4000, "no", {"sentiment": "negative", "happy": "absent"}),
    (4000, 6000, "", {}),
]


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def labels(of, tmp_path, **options):
    warnings = labels_from_annotations([of], tmp_path / "labels.csv", **options)
    return rows_of(tmp_path / "labels.csv"), warnings


def test_an_annotated_file_becomes_labels_that_training_reads(made, tmp_path):
    rows, warnings = labels(made(ROWS), tmp_path)
    assert warnings == ()
    assert rows[0] == {
        "video": "talk.mp4",
        "start_s": "0.000",
        "end_s": "2.000",
        "segment": "0",
        "text": "I like it",
        "sentiment": "2",
        "sentiment_class": "positive",
        "happy": "1",
    }
    (tmp_path / "talk.mp4").write_bytes(b"media")
    found = read_labels(tmp_path / "labels.csv", tmp_path)
    assert found.warnings == ()
    assert found.missing == ()
    (dialogue,) = build_dialogues(found, {"talk.mp4": {}})
    assert dialogue.targets["sentiment_class"][:2, 0].tolist() == [2, 0]


def test_a_class_that_somebody_named_wins_over_the_sign_beside_it(made, tmp_path):
    rows = [(0, 1000, "well", {"sentiment": "positive", "sentiment intensity": "-0.5"})]
    labels(made(rows), tmp_path)
    (tmp_path / "talk.mp4").write_bytes(b"media")
    (dialogue,) = build_dialogues(read_labels(tmp_path / "labels.csv", tmp_path), {"talk.mp4": {}})
    assert dialogue.targets["sentiment_class"].tolist() == [[2]]
    assert dialogue.targets["sentiment_intensity"][0, 0] == pytest.approx(-0.5 / 3)


@pytest.mark.parametrize(
    ("typed", "column", "wanted"),
    [
        ({"sentiment": " Positive "}, "sentiment_class", "positive"),
        ({"Sentiment": "NEG"}, "sentiment_class", "negative"),
        ({"sentiment": "weak  Negative."}, "sentiment_class", "negative"),
        ({"sentiment": "+1,5"}, "sentiment", "1.5"),
        ({"Sentiment_Intensity": "\N{MINUS SIGN}2.5"}, "sentiment", "-2.5"),
        ({"HAPPY": "Yes"}, "happy", "1"),
        ({"joy": "x"}, "happy", "1"),
        ({"No Emotion": "present"}, "no-emotion", "1"),
        ({"happy": "present 2.5"}, "happy", "2.5"),
        ({"happy": "2,5"}, "happy", "2.5"),
        ({"happy": "absent", "happy intensity": "1.7"}, "happy", "0"),
        ({"emotions": "Joy, surprised"}, "surprise", "1"),
        ({"emotion": "sad"}, "happy", "0"),
        ({"arousal": "Very High"}, "arousal_class", "4"),
        ({"valence": "-0.25"}, "valence", "-0.25"),
    ],
)
def test_people_type_as_they_like(made, tmp_path, typed, column, wanted):
    rows, _ = labels(made([(0, 1000, "text", typed)]), tmp_path)
    assert rows[0][column] == wanted


def test_present_without_a_degree_is_weak_where_others_have_one(made, tmp_path):
    rows = [
        (0, 1000, "a", {"happy": "present", "happy intensity": "2.5"}),
        (1000, 2000, "b", {"happy": "present"}),
    ]
    found, warnings = labels(made(rows), tmp_path)
    assert [row["happy"] for row in found] == ["2.5", "1"]
    assert "1 emotions are present without an intensity" in warnings[0]


def test_moved_deleted_split_and_new_annotations(made, tmp_path):
    def change(eaf):
        # What ELAN does: the first is cut in two and its values stay with the first part, the
        # second is deleted with what is under it, and one is new.
        for tier in ("sentiment", "happy"):
            eaf.remove_ref_annotation(tier, 3000)
        eaf.remove_annotation("text", 3000)
        (name, (start, _end, value, svg)) = next(iter(eaf.tiers["text"][0].items()))
        middle = eaf.generate_ts_id(1200)
        eaf.tiers["text"][0][name] = (start, middle, value, svg)
        eaf.add_annotation("text", 1200, 2000, "it")
        eaf.add_annotation("text", 6500, 7000, "new")
        eaf.add_ref_annotation("sentiment", "text", 6700, "neutral")

    rows, _ = labels(made(ROWS, change=change), tmp_path)
    assert [(r["start_s"], r["text"], r["sentiment_class"]) for r in rows] == [
        ("0.000", "I like it", "positive"),
        ("1.200", "it", ""),
        ("4.000", "", ""),
        ("6.500", "new", "neutral"),
    ]


def test_values_with_times_of_their_own_go_to_what_they_cover(made, tmp_path):
    def change(eaf):
        eaf.add_tier("anger")
        # Over the second and 40 % of the third; and a stretch where nobody speaks.
        eaf.add_annotation("anger", 2400, 4800, "present")
        eaf.add_annotation("anger", 8000, 9000, "present")

    rows, warnings = labels(made(ROWS, change=change), tmp_path)
    assert [row["anger"] for row in rows] == ["", "1", ""]
    assert warnings == (
        "talk.eaf: tier 'anger', 0:08.000-0:09.000, 'present' covers half of no utterance; "
        "left out.",
    )


def test_values_without_use_are_named_with_tier_time_and_text(made):
    rows = [
        (0, 1000, "a", {"sentiment": "positive neutral", "happy intensity": "7"}),
        (61_000, 62_500, "b", {"sentiment": "gut"}),
    ]
    with pytest.raises(AnnotationError) as told:
        read_annotated(made(rows))
    text = str(told.value)
    assert "tier 'sentiment', 0:00.000-0:01.000, 'positive neutral': expected negative" in text
    assert "tier 'happy intensity', 0:00.000-0:01.000, '7': expected a number from 0 to 3" in text
    assert "tier 'sentiment', 1:01.000-1:02.500, 'gut'" in text


def test_two_values_for_one_utterance_are_a_contradiction(made):
    def change(eaf):
        eaf.add_tier("anger")
        eaf.add_annotation("anger", 0, 1000, "present")
        eaf.add_annotation("anger", 1000, 2000, "absent")

    with pytest.raises(AnnotationError, match=r"at 0:00\.000-0:02\.000 has two values"):
        read_annotated(made(ROWS, change=change))


def test_other_tiers_in_another_order_do_no_harm(made, tmp_path):
    def change(eaf):
        eaf.add_tier("gesture")
        eaf.add_annotation("gesture", 0, 500, "waves")
        eaf.add_tier("evidence")
        eaf.add_annotation("evidence", 0, 500, "sufficient")
        # Children before their parent.
        order = list(eaf.tiers.items())
        eaf.tiers.clear()
        for number, (name, (align, ref, attributes, _)) in enumerate(reversed(order)):
            eaf.tiers[name] = (align, ref, attributes, number)

    rows, warnings = labels(made(ROWS, change=change), tmp_path)
    assert rows[0]["sentiment_class"] == "positive"
    assert warnings == ("talk.eaf: the tier 'gesture' is no label and is not read.",)


def test_speakers_come_from_participants(made, tmp_path):
    rows, _ = labels(made(ROWS, speaker="Ann"), tmp_path)
    assert {row["speaker"] for row in rows} == {"Ann"}
    assert rows[1]["happy"] == "0"


def test_a_file_without_a_tier_of_text_says_which_it_has(made, tmp_path):
    path = made(ROWS, change=lambda eaf: eaf.rename_tier("text", "Redebeiträge"))
    with pytest.raises(AnnotationError, match=r"its tiers: 'Redebeiträge', 'sentiment'.*--tier"):
        read_annotated(path)
    rows, _ = labels(path, tmp_path, tiers=("redebeiträge",))
    assert len(rows) == 3


def test_several_files_make_one_label_file(made, tmp_path):
    made(ROWS, "a.eaf", "a.mp4")
    made(ROWS, "b.eaf", "")
    labels_from_annotations([tmp_path], tmp_path / "labels.csv")
    assert [row["video"] for row in rows_of(tmp_path / "labels.csv")] == ["a.mp4"] * 3 + ["b"] * 3
    made(ROWS, "c.eaf", "a.mp4")
    with pytest.raises(UsageError, match=r"a\.eaf and .*c\.eaf are both of the video 'a\.mp4'"):
        labels_from_annotations([tmp_path], tmp_path / "labels.csv")


def test_text_that_begins_a_formula_comes_back_as_it_was(made, tmp_path):
    labels(made([(0, 1000, "=1+1 she said", {"happy": "present"})]), tmp_path)
    (tmp_path / "talk.mp4").write_bytes(b"media")
    (row,) = read_labels(tmp_path / "labels.csv", tmp_path).segments
    assert row.text == "=1+1 she said"
    assert rows_of(tmp_path / "labels.csv")[0]["text"].startswith("'=")


BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
HOSTILE = {
    "entities": f'<!DOCTYPE x [<!ENTITY e0 "ha">{BOMB}]><ANNOTATION_DOCUMENT>&e11;'
    "</ANNOTATION_DOCUMENT>",
    "another file": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    "<ANNOTATION_DOCUMENT>&f;</ANNOTATION_DOCUMENT>",
    "doctype": '<!DOCTYPE x SYSTEM "http://example.org/x.dtd"><ANNOTATION_DOCUMENT/>',
    "other xml": "<html/>",
    "cut": "<ANNOTATION_DOCUMENT><HEADER",
    "no xml": "\x00\x01\x02",
    "empty": "",
    "nothing in it": "<ANNOTATION_DOCUMENT/>",
    "negative time": '<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t" '
    'TIME_VALUE="-5"/></TIME_ORDER></ANNOTATION_DOCUMENT>',
    "endless time": '<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t" '
    'TIME_VALUE="1e999"/></TIME_ORDER></ANNOTATION_DOCUMENT>',
    "unknown slot": '<ANNOTATION_DOCUMENT><TIER TIER_ID="text"><ANNOTATION><ALIGNABLE_ANNOTATION '
    'ANNOTATION_ID="a" TIME_SLOT_REF1="x" TIME_SLOT_REF2="y"/></ANNOTATION></TIER>'
    "</ANNOTATION_DOCUMENT>",
    "frames": '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="PAL-frames"/></ANNOTATION_DOCUMENT>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_stranger_may_send_is_refused_in_a_sentence(tmp_path, name):
    path = tmp_path / "evil.eaf"
    path.write_text(HOSTILE[name], encoding="utf-8")
    with pytest.raises(AnnotationError) as told:
        read_annotated(path)
    assert str(path) in str(told.value)
    assert len(str(told.value)) < 400
    assert "root:" not in str(told.value)


def test_annotations_under_each_other_in_a_circle_have_no_time(tmp_path):
    tier = (
        '<TIER TIER_ID="{0}"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{0}" ANNOTATION_REF="{1}">'
        "<ANNOTATION_VALUE>x</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>"
    )
    path = tmp_path / "circle.eaf"
    path.write_text(
        f"<ANNOTATION_DOCUMENT>{tier.format('text', 'b')}{tier.format('b', 'text')}"
        "</ANNOTATION_DOCUMENT>",
        encoding="utf-8",
    )
    found = read_annotated(path)
    assert found.utterances == ()
    assert "2 annotations have no time" in found.warnings[0]


def test_boundaries_without_times_are_spread_between_those_with_some(tmp_path):
    path = tmp_path / "cut.eaf"
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="t{i}"{value}/>'
        for i, value in enumerate((' TIME_VALUE="1000"', "", "", ' TIME_VALUE="4000"'))
    )
    annotations = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{i}" TIME_SLOT_REF1="t{i}" '
        f'TIME_SLOT_REF2="t{i + 1}"><ANNOTATION_VALUE>w{i}</ANNOTATION_VALUE>'
        "</ALIGNABLE_ANNOTATION></ANNOTATION>"
        for i in range(3)
    )
    path.write_text(
        f'<ANNOTATION_DOCUMENT><TIME_ORDER>{slots}</TIME_ORDER><TIER TIER_ID="text">{annotations}'
        "</TIER></ANNOTATION_DOCUMENT>",
        encoding="utf-8",
    )
    found = [(u.start_s, u.end_s) for u in read_annotated(path).utterances]
    assert found == [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]


@pytest.mark.parametrize(
    "text", ["", "nothing", 'File type = "ooTextFile"\nObject class = "TextGrid"\n']
)
def test_a_damaged_textgrid_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "bad.TextGrid"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AnnotationError, match=re.escape(str(path))):
        read_annotated(path)


@pytest.mark.parametrize("short", [False, True])
def test_praat_itself_writes_what_is_read(tmp_path, short):
    parselmouth = pytest.importorskip("parselmouth")
    call = parselmouth.praat.call
    grid = call("Create TextGrid", 0, 4, "text sentiment", "")
    for tier in (1, 2):
        call(grid, "Insert boundary", tier, 1.5)
        call(grid, "Insert boundary", tier, 2.5)
    call(grid, "Set interval text", 1, 2, 'schön "gesagt" 你好')
    call(grid, "Set interval text", 2, 2, "positive")
    path = tmp_path / "praat.TextGrid"
    call(grid, "Save as short text file" if short else "Save as text file", str(path))
    (utterance,) = read_annotated(path).utterances
    assert (utterance.start_s, utterance.end_s) == (1.5, 2.5)
    assert utterance.text == 'schön "gesagt" 你好'
    assert utterance.labels.sentiment_class == "positive"


def test_a_missing_file_and_another_kind_are_bad_use(tmp_path):
    with pytest.raises(UsageError):
        read_annotated(tmp_path / "none.eaf")
    (tmp_path / "x.csv").write_text("a")
    with pytest.raises(UsageError, match=r"\.eaf"):
        read_annotated(tmp_path / "x.csv")
    with pytest.raises(AffectPipeError):
        evaluate_against(tmp_path / "none.eaf", tmp_path / "none.json")
