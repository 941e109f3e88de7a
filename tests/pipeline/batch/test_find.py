"""Which videos folders, patterns and lists mean, and where their results go."""

import csv
import os

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


def test_a_pattern_does_not_follow_links_in_circles(videos):
    (videos / "loop").symlink_to(".")
    (videos / "day 1" / "up").symlink_to(videos)
    assert targets(videos / "**" / "*.m*") == ["a", "day 1/a", "day 1/b"]
    # One level down a link that is matched by a name leads to what was found already.
    assert targets(videos / "*" / "a.mp4") == ["day 1/a", "loop/a"]
    assert targets(videos / "*.mp4", videos / "*" / "a.mp4") == ["a", "day 1/a"]


def test_a_pattern_leaves_hidden_files_out_unless_it_names_them(videos):
    (videos / ".git").mkdir()
    (videos / ".git" / "x.mp4").write_bytes(b"")
    assert targets(videos / "**") == ["a", "day 1/a", "day 1/b", "day 2/x/c"]
    assert targets(videos / "**.mp4") == ["a"]
    assert targets(videos / ".*.mp4") == [".hidden"]


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


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_parts_the_fields_of_a_csv_is_found_out(videos, delimiter):
    written = videos / "list.csv"
    rows = [("Video", "Comment, free", "TRANSCRIPT ", "video_id"), ("a.mp4", "", "x.srt", "7")]
    with written.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([*rows, rows[1]])
    told = []
    (item,) = find_items([str(written)], told.append)
    assert (item.target, item.transcript) == ("a", videos / "x.srt")
    (line,) = told
    assert "'comment, free', 'video_id'" in line


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["l.csv", "l.txt"])
def test_a_list_in_utf_16_is_told_so(tmp_path, name, encoding):
    (tmp_path / name).write_text("video\na.mp4\n", encoding)
    with pytest.raises(UsageError, match="save it as UTF-8"):
        find_items([str(tmp_path / name)], ignore)


def test_a_list_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "l.csv")
    with pytest.raises(UsageError, match="no regular file"):
        find_items([str(tmp_path / "l.csv")], ignore)


def test_all_results_that_two_rows_would_write_are_told(tmp_path):
    names = [f"{i}{suffix}" for i in range(7) for suffix in (".mov", ".mp4")]
    (tmp_path / "l.txt").write_text("\n".join(names))
    with pytest.raises(UsageError, match=r"4\.mov .* would both write 4.*; and 2 more results"):
        find_items([str(tmp_path / "l.txt")], ignore)


def test_a_folder_and_a_list_that_differ_on_a_video(videos):
    (videos / "list.csv").write_text("video,transcript\na.mp4,x.srt\n")
    with pytest.raises(UsageError, match="different transcripts"):
        find_items([str(videos), str(videos / "list.csv")], ignore)


def test_the_same_file_twice_is_one(videos):
    assert targets(videos / "a.mp4", videos / "*.mp4") == ["a"]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("l.csv", "file\na.mp4\n", "no column 'video'"),
        ("l.txt", "# nothing\n", "names no video"),
        ("l.txt", "a.mp4\na.mkv\n", "would both write a"),
        ("l.txt", "a.mp4\0\n", "NUL"),
        ("l.txt", "utterances/a.mp4\n", "dataset"),
        ("l.csv", "video,trancsript\na.mp4,a.srt\n", "'trancsript': call it 'transcript'"),
        ("l.csv", "Vidoe;transcript\na.mp4;a.srt\n", "'vidoe': call it 'video'"),
        ("l.csv", "video,transcript\na.mp4,\nb, c.mp4,x.srt\n", "line 3, has 3 fields"),
        ("l.csv", "video,transcript\n,x.srt\n", "line 2, has nothing in the column 'video'"),
        ("l.csv", "video,language,Video\na.mp4,de,b.mp4\n", "two columns called 'video'"),
        ("l.csv", "video,transcript\na.mp4,1.srt\n./a.mp4,2.srt\n", "line 2, and .* line 3,"),
        ("l.csv", "video,language\na.mp4,\na.mp4,de\n", "line 2, and .* line 3,"),
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
