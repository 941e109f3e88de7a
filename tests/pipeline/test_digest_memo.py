import os
import time
from pathlib import Path

import pytest

from affect_pipe.pipeline import digest_memo
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.fingerprint import digest_file


@pytest.fixture
def media(tmp_path: Path) -> Path:
    path = tmp_path / "media.mp4"
    path.write_bytes(b"first")
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that was read to be digested, in order; files count as old enough to remember."""
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return digest_file(path)

    monkeypatch.setattr(digest_memo, "digest_file", counted)
    monkeypatch.setattr(digest_memo, "_SETTLED_NS", -1)
    return read


def test_an_unchanged_file_is_read_once(tmp_path: Path, media: Path, reads: list[Path]) -> None:
    for _ in range(3):
        assert DigestMemo(tmp_path / "memo").digest(media) == digest_file(media)
    assert len(reads) == 1


def test_a_file_rewritten_with_the_same_size_and_time_is_read_again(
    tmp_path: Path, media: Path, reads: list[Path]
) -> None:
    memo = DigestMemo(tmp_path / "memo")
    before = media.stat()
    memo.digest(media)
    time.sleep(0.02)  # longer than a tick of the clock that stamps status changes
    media.write_bytes(b"later")
    os.utime(media, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert memo.digest(media) == digest_file(media)
    assert len(reads) == 2


def test_a_file_put_in_its_place_is_read_again(
    tmp_path: Path, media: Path, reads: list[Path]
) -> None:
    memo = DigestMemo(tmp_path / "memo")
    memo.digest(media)
    before = media.stat()
    (tmp_path / "other").write_bytes(b"other")
    os.utime(tmp_path / "other", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(tmp_path / "other", media)
    assert memo.digest(media) == digest_file(media)
    assert len(reads) == 2


def test_a_file_changed_a_moment_ago_is_not_remembered(tmp_path: Path, media: Path) -> None:
    DigestMemo(tmp_path / "memo").digest(media)
    assert not (tmp_path / "memo").exists()


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff" * 66, b"0" * 32 + b" " + b"0" * 32])
def test_a_damaged_memo_is_ignored_and_mended(
    tmp_path: Path, media: Path, reads: list[Path], damage: bytes
) -> None:
    memo = DigestMemo(tmp_path / "memo")
    memo.digest(media)
    (stored,) = (tmp_path / "memo").iterdir()
    stored.write_bytes(damage)
    assert memo.digest(media) == digest_file(media)
    assert memo.digest(media) == digest_file(media)
    assert len(reads) == 2


def test_a_memo_moved_to_another_file_is_ignored(
    tmp_path: Path, media: Path, reads: list[Path]
) -> None:
    memo = DigestMemo(tmp_path / "memo")
    memo.digest(media)
    (stored,) = (tmp_path / "memo").iterdir()
    text = stored.read_bytes()
    media.write_bytes(b"second, longer")
    memo.digest(media)
    for path in (tmp_path / "memo").iterdir():
        path.write_bytes(text)
    assert memo.digest(media) == digest_file(media)


def test_a_memo_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, media: Path, reads: list[Path]
) -> None:
    (tmp_path / "file").touch()
    memo = DigestMemo(tmp_path / "file" / "memo")
    assert memo.digest(media) == memo.digest(media) == digest_file(media)
    assert DigestMemo(None).digest(media) == digest_file(media)


def test_what_was_never_read_is_not_remembered(
    tmp_path: Path, media: Path, reads: list[Path]
) -> None:
    memo = DigestMemo(tmp_path / "digests")
    assert memo.remembered(media) is None
    assert reads == []
    digest = memo.digest(media)
    assert memo.remembered(media) == digest
    media.write_bytes(b"another recording")
    assert memo.remembered(media) is None
    assert memo.remembered(tmp_path / "none.mp4") is None


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        DigestMemo(tmp_path).digest(tmp_path / "missing")
