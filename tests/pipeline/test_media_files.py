"""Which files a request means."""

from pathlib import PurePath

import pytest

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.media_files import find_media


@pytest.fixture
def folder(tmp_path):
    for name in ("b/x.mp4", "a/x.MP4", "a/deep/y.wav", "z.mkv", "z.srt", "a/notes", ".git/h.mp4",
                 "a/._x.mp4"):  # fmt: skip
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def test_a_folder_is_searched_in_order_and_its_sub_folders_are_kept_apart(folder):
    told = []
    files = find_media([folder], told.append)
    assert [f.path.relative_to(folder).as_posix() for f in files] == [
        *("z.mkv", "a/x.MP4", "a/deep/y.wav", "b/x.mp4")
    ]
    assert [f.target for f in files] == list(map(PurePath, ("z", "a/x", "a/deep/y", "b/x")))
    (line,) = told
    assert "1 file is skipped" in line
    assert "no ending (1)" in line


def test_what_belongs_to_a_media_file_is_not_told_as_skipped(folder):
    (folder / "a" / "notes").unlink()
    for name in ("z.en.vtt", "z.rttm", "a/deep/y.TextGrid", "z.affect.json", "b/gone.affect.csv"):
        (folder / name).touch()
    told = []
    find_media([folder], told.append)
    assert told == []
    # The transcript of a video that is not there is worth a look.
    (folder / "zz.srt").touch()
    find_media([folder], told.append)
    assert ".srt (1)" in told[0]


def test_all_that_would_be_written_twice_is_told_at_once(folder):
    for i in range(7):
        for suffix in (".mp4", ".mov", ".avi")[: 3 if i == 0 else 2]:
            (folder / f"c{i}{suffix}").touch()
    with pytest.raises(UsageError) as caught:
        find_media([folder], lambda line: None)
    said = str(caught.value)
    assert all(f"c{i}.mov" in said for i in range(5))
    assert "c0.avi" in said
    assert "c5" not in said
    assert "2 more" in said


def test_a_link_that_leads_back_is_not_followed(folder):
    (folder / "b" / "loop").symlink_to(folder, target_is_directory=True)
    assert len(find_media([folder], lambda line: None)) == 4


def test_a_file_named_twice_is_meant_once(folder):
    files = find_media([folder, folder / "z.mkv", folder / "b" / ".." / "z.mkv"], lambda line: None)
    assert len(files) == 4


def test_a_file_that_is_named_may_be_called_anything(folder):
    (file,) = find_media([folder / "a" / "notes"], lambda line: None)
    assert file.target == PurePath("notes")


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (["a/x.MP4", "b/x.mp4"], "name the folder above them"),
        (["z.mkv", "z.srt"], "rename one"),
        (["bare"], "no file in"),
        (["x\0.mp4"], "NUL"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(folder, given, part):
    (folder / "bare").mkdir()
    (folder / "bare" / "a.txt").touch()
    with pytest.raises(UsageError, match=part) as caught:
        find_media([folder / name for name in given], lambda line: None)
    assert "\n" not in str(caught.value)
