import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from affect_pipe.pipeline.atomic import atomic_open, atomic_write


def test_a_file_is_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    atomic_write(tmp_path / "f", [b"ab", memoryview(b"cd")])
    assert (tmp_path / "f").read_bytes() == b"abcd"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "f").write_bytes(b"old")

    def chunks() -> Iterator[bytes]:
        yield b"half of the new"
        raise error

    with pytest.raises(type(error)):
        atomic_write(tmp_path / "f", chunks())
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_the_new_name_appears_only_when_the_bytes_are_there(tmp_path: Path) -> None:
    with atomic_open(tmp_path / "f") as file:
        file.write(b"x")
        assert not (tmp_path / "f").exists()


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".csv")
    atomic_write(path, [b"x"])
    assert path.read_bytes() == b"x"


@pytest.mark.skipif(os.name == "nt", reason="no umask here")
def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        atomic_write(tmp_path / "f", [b"x"])
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "missing" / "f", [b"x"])
