"""A user's own folder: label files in three layouts, media beside them, dialogues from both."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from affect_pipe.fusion.config import EMOTION_CLASSES, EMOTIONS
from affect_pipe.fusion.datasets.files import CorpusError
from affect_pipe.fusion.datasets.folder_labels import join_blocks, read_labels, utterances_of
from affect_pipe.fusion.datasets.label_rows import LabelError, read_rows
from affect_pipe.fusion.datasets.labelled_dialogues import build_dialogues, ratings
from affect_pipe.fusion.datasets.splits import assign_splits
from affect_pipe.fusion.encoding import level_edges
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec

MELD_HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime"
)


def labels_file(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def media(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"media")
    return folder


def block(n, modality="text", dim=3, absent=()):
    spec = FeatureSpec(
        name=modality, modality=modality, dim=dim, columns=tuple("abc"[:dim]), version="1"
    )
    here = np.array([i not in absent for i in range(n)])
    values = np.arange(n * dim, dtype=np.float32).reshape(n, dim) + 1
    return FeatureBlock(
        spec=spec,
        values=np.where(here[:, None], values, np.float32(0)),
        present=here,
        reasons=tuple(None if h else "no words" for h in here),
        quality={"asr_confidence": np.full(n, 0.5, dtype=np.float32)},
    )


@pytest.fixture(name="own")
def _own(tmp_path):
    labels = labels_file(
        tmp_path,
        "video,start_s,end_s,text,speaker,sentiment,anger,joy,arousal,valence_class,comment\n"
        'talk.mp4,4.5,6.0,"later,\nin two lines",Ann,-1.5,0,2.5,0.5,very high,x\n'
        "talk.mp4,1,4,earlier,Ann,positive,3,0,-0.5,0,x\n"
        "other,0,2,,Bob,0,,,,,\n"
        "gone,0,2,,Bob,0,,,,,\n",
    )
    folder = media(tmp_path / "videos", "talk.mp4", "other.webm", "other.wav")
    return read_labels(labels, folder)


def test_own_rows_become_videos_in_order(own):
    assert own.layout == "own"
    other, talk = own.videos
    assert (other.id, talk.id) == ("other", "talk.mp4")
    assert [s.text for s in talk.segments] == ["earlier", "later,\nin two lines"]
    assert [s.line for s in talk.segments] == [4, 2]
    assert talk.segments[0].sentiment is None
    assert talk.segments[0].sentiment_class == 2
    assert talk.speakers == {"Ann"}
    # A video before its sound track.
    assert other.media[0].path.name == "other.webm"
    (gone,) = own.missing
    assert (gone.video, gone.line, gone.looked_for) == ("gone", 6, ("gone",))
    assert own.warnings == ("the column 'comment' is not read",)
    assert own.intensities


def test_own_rows_become_utterances(own):
    talk = own.videos[1]
    (part,) = talk.media
    first, second = utterances_of(talk, part, duration_s=5.9)
    assert (first.start_s, first.end_s, first.text, first.speaker) == (1.0, 4.0, "earlier", "Ann")
    assert second.end_s == 5.9
    other = own.videos[0]
    (silent,) = utterances_of(other, other.media[0], 10.0)
    assert silent.text == ""
    assert silent.text_reason == "no text in the label file"
    with pytest.raises(UsageError, match=r"line 2 labels 4\.5 to 6 s"):
        utterances_of(talk, part, duration_s=4.2)


def test_own_rows_become_dialogues(own):
    features = {"talk.mp4": {"text": block(2, absent=(1,)), "acoustic": block(2, "acoustic")}}
    (talk,) = build_dialogues(own, features)
    assert (talk.id, talk.corpus) == ("talk.mp4", "labels")
    np.testing.assert_array_equal(talk.present, [[True, True, False], [False, True, False]])
    np.testing.assert_array_equal(talk.targets["sentiment_class"][:, 0], [2, 0])
    np.testing.assert_array_equal(talk.targets["sentiment_intensity"][:, 0], [np.nan, -0.5])
    anger, happy = EMOTIONS.index("anger"), EMOTIONS.index("happy")
    degrees = talk.targets["emotion_intensity"]
    np.testing.assert_allclose(degrees[:, anger], [1, 0])
    np.testing.assert_allclose(degrees[:, happy], [0, 2.5 / 3])
    # Emotions without a column are unknown; an emotion that is there excludes none.
    classes = talk.targets["emotion_class"]
    np.testing.assert_array_equal(classes[:, anger], [1, 0])
    assert np.isnan(classes[:, EMOTIONS.index("fear")]).all()
    np.testing.assert_array_equal(classes[:, -1], [0, 0])
    np.testing.assert_array_equal(talk.targets["valence_class"][:, 0], [0, 4])
    assert "arousal_class" not in talk.targets
    edges = level_edges(ratings(own.videos, "arousal"))
    (talk,) = build_dialogues(own, features, level_edges={"arousal": edges})
    np.testing.assert_array_equal(talk.targets["arousal_class"][:, 0], [0, 4])
    (two,) = build_dialogues(own, features, classes=2)
    np.testing.assert_array_equal(two.targets["sentiment_class"][:, 0], [1, 0])
    (seven,) = build_dialogues(own, features, classes=7)
    np.testing.assert_array_equal(seven.targets["sentiment_class"][:, 0], [np.nan, 1])
    with pytest.raises(UsageError, match="no labels for the video 'nobody'"):
        build_dialogues(own, {"nobody": {}})
    with pytest.raises(ValueError, match="3 rows for 2 labelled segments"):
        build_dialogues(own, {"talk.mp4": {"text": block(3)}})


def test_zeros_and_ones_are_no_intensities(tmp_path):
    labels = labels_file(tmp_path, "video,start_s,end_s,anger,neutral\nv,0,1,0,1\nv,1,2,1,0\n")
    labelled = read_labels(labels, media(tmp_path / "m", "v.mp4"))
    (v,) = build_dialogues(labelled, {"v": {"text": block(2)}})
    assert set(v.targets) == {"emotion_class"}
    np.testing.assert_array_equal(v.targets["emotion_class"][:, [0, 6]], [[0, 1], [1, 0]])


def test_own_segments_may_be_clips(tmp_path):
    labels = labels_file(
        tmp_path,
        "video;segment;emotion;split\nv;10;Joy;train\nv;9;neutral;train\nw;1;sadness;valid\n",
    )
    folder = media(tmp_path / "m", "v/10.mp4", "v/9.mp4", "w/1.mkv")
    labelled = read_labels(labels, folder)
    v = labelled.videos[0]
    assert [s.segment for s in v.segments] == ["9", "10"]
    assert [p.path.name for p in v.media] == ["9.mp4", "10.mp4"]
    (clip,) = utterances_of(v, v.media[1], duration_s=3.25)
    assert (clip.index, clip.start_s, clip.end_s) == (0, 0.0, 3.25)
    assert assign_splits(labelled.split_items(), 0).by_video == {"v": "train", "w": "dev"}
    joined = join_blocks(v, {p.path: block(1) for p in v.media})
    assert joined.values.shape == (2, 3)
    with pytest.raises(ValueError, match="not one for each segment"):
        join_blocks(v, {v.media[0].path: block(1)})
    (dialogue, _) = build_dialogues(labelled, {"v": {"text": joined}, "w": {"text": block(1)}})
    names = [EMOTION_CLASSES[i] for i in dialogue.targets["emotion_class"].argmax(axis=1)]
    assert names == ["no-emotion", "happy"]


def test_blocks_are_joined_in_the_order_of_the_segments(tmp_path):
    labels = labels_file(
        tmp_path, "video,start_s,end_s,sentiment\na,0,1,1\na,2,3,1\n./a.mp4,1,2,1\n"
    )
    labelled = read_labels(labels, media(tmp_path / "m", "a.mp4"))
    # One file under two names is one video, or its parts could be in two splits.
    (video,) = labelled.videos
    assert [s.start_s for s in video.segments] == [0, 1, 2]
    assert len(video.media) == 1
    np.testing.assert_array_equal(
        join_blocks(video, {video.media[0].path: block(3)}).values, block(3).values
    )


def test_mmsa_label_files_are_read_as_they_are(tmp_path):
    labels = labels_file(
        tmp_path,
        "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"
        "03bSnISJMiM,11,A LOT OF SAD PARTS,-2.4,,,,Negative,train\n"
        "03bSnISJMiM,2,THERE IS SAD STUFF,0.6,,,,Positive,train\n"
        "-3g5yACwYnA,0,key,0.0,,,,Neutral,test\n",
        "label.csv",
    )
    folder = media(tmp_path / "m", "Raw/03bSnISJMiM/11.mp4", "Raw/03bSnISJMiM/2.mp4")
    media(folder, "Raw/-3g5yACwYnA/0.mp4")
    labelled = read_labels(labels, folder)
    assert labelled.layout == "mmsa"
    one, two = labelled.videos
    assert [s.text for s in two.segments] == ["THERE IS SAD STUFF", "A LOT OF SAD PARTS"]
    assert [s.sentiment for s in two.segments] == pytest.approx([0.6, -2.4])
    assigned = assign_splits(labelled.split_items(), seed=0)
    assert assigned.by == "given"
    assert assigned.by_video == {one.id: "test", two.id: "train"}
    scaled = labels_file(tmp_path, "video_id,clip_id,text,label\nv,0001,x,0.5\n", "sims.csv")
    assert read_rows(scaled, sentiment_scale=1).rows[0].sentiment == 1.5
    with pytest.raises(LabelError, match=r"column label: expected a number in \[-0\.1, 0\.1\]"):
        read_rows(scaled, sentiment_scale=0.1)


def test_meld_files_are_read_as_they_are(tmp_path):
    labels = labels_file(
        tmp_path,
        f"{MELD_HEADER}\n"
        '1,"Oh my God, lost it.",Phoebe,sadness,negative,0,1,4,7,"00:20:57,256","00:21:00,0"\n'
        '2,What?,Monica,surprise,negative,0,0,4,7,"0:21:01,927","00:21:03,261"\n'
        '3,Hey!,Ross,joy,positive,10,0,4,7,"0:21:01,927","00:21:03,261"\n',
    )
    folder = media(tmp_path / "m", "dia0_utt0.mp4", "dev_splits_complete/dia0_utt1.mp4")
    labelled = read_labels(labels, folder)
    (scene,) = labelled.videos
    assert [s.speaker for s in scene.segments] == ["Monica", "Phoebe"]
    assert [p.path.name for p in scene.media] == ["dia0_utt0.mp4", "dia0_utt1.mp4"]
    assert [m.video for m in labelled.missing] == ["dia10"]
    (dialogue,) = build_dialogues(labelled, {"dia0": {"text": block(2)}})
    np.testing.assert_array_equal(dialogue.targets["sentiment_class"][:, 0], [0, 0])
    names = [EMOTION_CLASSES[i] for i in dialogue.targets["emotion_class"].argmax(axis=1)]
    assert names == ["surprise", "sad"]
    # MELD's parts number their dialogues alike: the same clip in two of them is a question.
    media(folder, "train_splits/dia0_utt0.mp4")
    with pytest.raises(LabelError, match="are both there"):
        read_labels(labels, folder)


@pytest.mark.data
def test_the_published_meld_file_loads_whole(data_dir, tmp_path):
    path = data_dir / "text" / "meld_dev.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        published = list(csv.DictReader(stream))
    rows = read_rows(path)
    assert rows.layout == "meld"
    assert len(rows.rows) == len(published) == 1109
    assert [r.text for r in rows.rows] == [p["Utterance"] for p in published]
    assert [r.speaker for r in rows.rows] == [p["Speaker"] for p in published]
    assert len({r.video for r in rows.rows}) == len({p["Dialogue_ID"] for p in published})
    folder = media(
        tmp_path, *(f"dia{p['Dialogue_ID']}_utt{p['Utterance_ID']}.mp4" for p in published[:50])
    )
    labelled = read_labels(path, folder)
    assert sum(len(v.segments) for v in labelled.videos) == 50
    assert len(labelled.missing) == 1059


OWN = "video,start_s,end_s,sentiment,anger,emotion,arousal,split\n"


@pytest.mark.parametrize(
    ("row", "column", "expected"),
    [
        ("v,0,1,4,,,,", "sentiment", r"a number in \[-3, 3\] or one of negative"),
        ("v,0,1,good,,,,", "sentiment", r"a number in \[-3, 3\]"),
        ("v,0,1,nan,,,,", "sentiment", r"a number in \[-3, 3\]"),
        ("v,0,1,1,3.5,,,", "anger", r"0 or 1, or an intensity in \[0, 3\]"),
        ("v,0,1,1,yes,,,", "anger", "0 or 1"),
        ("v,0,1,1,,bored,,", "emotion", "one of anger"),
        ("v,0,1,1,,,2,", "arousal", r"a rating in \[-1, 1\]"),
        ("v,0,1,1,,,,later", "split", "train, dev"),
        ("v,2,1,1,,,,", "end_s", "more than start_s, 2"),
        ("v,2,,1,,,,", "end_s", "seconds beside the other time"),
        ("v,,,1,,,,", "start_s", "start_s and end_s, or a segment"),
        ("v,-1,1,1,,,,", "start_s", "seconds, 0 or more"),
        ("v,inf,1,1,,,,", "start_s", "seconds, 0 or more"),
        (",0,1,1,,,,", "video", "got nothing"),
        ("../v,0,1,1,,,,", "video", r"inside the folder, without \.\."),
        ("a/../../v,0,1,1,,,,", "video", "inside the folder"),
        ("/etc/passwd,0,1,1,,,,", "video", "not absolute"),
        ("C:/v,0,1,1,,,,", "video", "not absolute"),
        ("..\\v,0,1,1,,,,", "video", "inside the folder"),
        ("v,0,1,1,,", "7", "8 fields as in the header"),
        ("ok,0,1,1,,,,", "video", "that line 2 has not labelled already"),
    ],
)
def test_every_bad_row_is_named(tmp_path, row, column, expected):
    labels = labels_file(tmp_path, f"{OWN}ok,0,1,1,,,,\nok,1,2,1,,,,\n{row}\n")
    with pytest.raises(LabelError, match=rf"labels\.csv, line 4, column {column}: .*{expected}"):
        read_rows(labels)


def test_all_bad_rows_are_named_at_once(tmp_path):
    labels = labels_file(tmp_path, OWN + "v,0,1,9,,,,\n" * 30 + "v,0,1,1,9,x,,\n")
    with pytest.raises(LabelError, match=r"wrong label rows: 31.*and 11 more") as caught:
        read_rows(labels)
    # In the last row the emotion is found first; the column of degrees waits for its correction.
    assert [row.line for row in caught.value.rows] == list(range(2, 33))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("clip,label\nv,1\n", "expected video"),
        ("", "expected video"),
        ("video,start_s,end_s,video\n", "'video' twice"),
        ("video,start_s,end_s\n", "no rows"),
        ('video,start_s,end_s\n"v,0,1\n', "no CSV"),
    ],
)
def test_what_is_no_label_file_is_told(tmp_path, text, match):
    with pytest.raises(CorpusError, match=match):
        read_rows(labels_file(tmp_path, text))
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"video\xff\xfe")
    with pytest.raises(CorpusError, match="not UTF-8"):
        read_rows(binary)


def test_misspelt_columns_get_a_hint(tmp_path):
    labels = labels_file(tmp_path, "video,start_s,end_s,sentimnet\nv,0,1,2\n")
    (warning,) = read_rows(labels).warnings
    assert warning == "the column 'sentimnet' is not read; did you mean sentiment?"
    with pytest.raises(UsageError, match="labels nothing"):
        read_labels(labels, media(tmp_path / "m", "v.mp4"))


def test_nothing_outside_the_folder_is_found(tmp_path):
    folder = media(tmp_path / "m", "good.mp4")
    media(tmp_path, "secret.mp4")
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "inner.mp4").symlink_to(folder / "good.mp4")
    labels = labels_file(tmp_path, "video,start_s,end_s,sentiment\nlink,0,1,1\n")
    with pytest.raises(LabelError, match="expected a file inside the folder, got link"):
        read_labels(labels, folder)
    labels = labels_file(tmp_path, "video,start_s,end_s,sentiment\ngood,0,1,1\ninner,1,2,1\n")
    (video,) = read_labels(labels, folder).videos
    assert len(video.segments) == 2


def test_no_media_at_all_is_told(tmp_path):
    labels = labels_file(tmp_path, "video,start_s,end_s,sentiment\nv,0,1,1\n")
    (tmp_path / "m").mkdir()
    with pytest.raises(UsageError, match="none of the 1 rows"):
        read_labels(labels, tmp_path / "m")
    with pytest.raises(UsageError, match="no folder"):
        read_labels(labels, tmp_path / "n")


def test_a_video_in_two_splits_is_told(tmp_path):
    labels = labels_file(tmp_path, f"{OWN}v,0,1,1,,,,train\nv,1,2,1,,,,test\n")
    with pytest.raises(LabelError, match="line 3, column split: expected train"):
        read_labels(labels, media(tmp_path / "m", "v.mp4"))
