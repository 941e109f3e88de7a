"""Which videos folders, patterns and lists mean, and where their results go."""

import pytest

from affect_pipe.pipeline.batch.find import find_items
from affect_pipe.pipeline.errors import UsageError


def ignore(line):
    pass


@pytest.fixture
def videos(tmp_path):
    for name in (
        "a.mp4",
        "day 1/a.mp4",
        "day 1/b.mkv",
        "day 2/x/c.wav",
        "notes.txt",
        ".hidden.mp4",
    ):
        path = tmp_path / "v" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "v"


def targets(*given):
    return [item.target for item in find_items([str(one) for one in given], ignore)]


def test_a_folder_is_searched_and_mirrored(videos):
    assert targets(videos) == ["a", "day 1/a", "day 1/b", "day 2/x/c"]


def test_a_pattern_is_mirrored_below_its_fixed_part(videos):
    assert targets(videos / "**" / "*.m*") == ["a", "day 1/a", "day 1/b"]
    assert targets(videos / "day 1" / "*") == ["a", "b"]


def test_a_file_that_looks_like_a_pattern_is_a_file(videos):
    (videos / "talk [1].mp4").write_bytes(b"")
    assert targets(videos / "talk [1].mp4") == ["talk [1]"]


def test_a_list_counts_from_its_own_folder(videos):
    written = videos / "list.txt"
    written.write_text("# first day\nday 1/a.mp4\n\n../v/a.mp4\n" + str(videos / "day 1/b.mkv"))
    items = find_items([str(written)], ignore)
    assert [item.target for item in items] == ["day 1/a", "a", "b"]
    assert [item.video for item in items] == [
        str(videos / name) for name in ("day 1/a.mp4", "a.mp4", "day 1/b.mkv")
    ]


def test_a_csv_names_words_speakers_and_language(videos):
    written = videos / "list.csv"
    written.write_text(
        'note,video,transcript,language\n"x, y",day 1/a.mp4,words.srt,de\n,a.mp4,,\n'
    )
    first, second = find_items([str(written)], ignore)
    assert (first.transcript, first.language) == (videos / "words.srt", "de")
    assert (second.transcript, second.diarisation, second.language) == (None, None, None)


def test_the_same_file_twice_is_one(videos):
    assert targets(videos / "a.mp4", videos / "*.mp4") == ["a"]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("l.csv", "file\na.mp4\n", "no column 'video'"),
        ("l.txt", "# nothing\n", "names no video"),
        ("l.txt", "a.mp4\na.mkv\n", "would both write a"),
        ("l.txt", "a.mp4\0\n", "NUL"),
    ],
)
def test_lists_that_cannot_be_meant(tmp_path, name, text, match):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=match):
        find_items([str(tmp_path / name)], ignore)


@pytest.mark.parametrize("given", ["none.mp4", "none/*.mp4", "none.txt", "a\0b"])
def test_what_is_not_there_is_told(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        find_items([given], ignore)
