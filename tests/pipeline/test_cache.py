import errno
import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save

from affect_pipe.pipeline import cache as cache_module
from affect_pipe.pipeline.cache import Cache, Entry, resolve_root
from affect_pipe.pipeline.entry_format import encode
from affect_pipe.pipeline.errors import CacheError, UsageError
from affect_pipe.pipeline.fingerprint import digest_json

KEY = digest_json("a key")
ARRAYS = {
    "floats": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
    "doubles": np.array([0.1, np.nan, -np.inf]),
    "flags": np.array([True, False, True]),
    "counts": np.arange(5),
    "bytes": np.arange(3, dtype=np.uint8),
    "none": np.zeros((0, 88), np.float32),
    "scalar": np.array(3.5),
    "strided": np.arange(12).reshape(3, 4)[::2, ::-1],
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big endian": np.arange(4, dtype=">i4"),
}
META = {"reasons": ["no face", None], "é\n": {"n": 1, "x": 0.1}}


def place(root: Path, key: str = KEY, stage: str = "s") -> Path:
    return root / "entries" / key[:2] / f"{key}.{stage}.safetensors"


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture(params=["local", "file", "memory"])
def cache(request: pytest.FixtureRequest, tmp_path: Path, problems: list[str]) -> Cache:
    """A cache in a folder, and the same over fsspec."""
    root = {
        "local": tmp_path / "cache",
        "file": f"file://{tmp_path}/cache",
        "memory": f"memory://{tmp_path}/cache",
    }[request.param]
    return Cache(root, on_problem=problems.append)


@pytest.fixture
def local(tmp_path: Path, problems: list[str]) -> Cache:
    return Cache(tmp_path / "cache", on_problem=problems.append)


def check_is(entry: Entry | None, arrays: dict[str, Any], meta: dict[str, Any]) -> None:
    assert entry is not None
    assert set(entry.arrays) == set(arrays)
    for name, array in arrays.items():
        found = entry.arrays[name]
        assert found.dtype == array.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(found, array, strict=False)
        assert found.shape == array.shape
    assert entry.meta == meta


def test_what_was_put_is_got(cache: Cache, problems: list[str]) -> None:
    assert cache.get(KEY) is None
    cache.put(KEY, "features-visual", ARRAYS, META, media_digest="ab")
    entry = cache.get(KEY)
    check_is(entry, ARRAYS, META)
    assert entry is not None
    assert (entry.key, entry.stage, entry.media_digest) == (KEY, "features-visual", "ab")
    assert not problems


def test_what_was_put_is_held(cache: Cache) -> None:
    assert not cache.holds(KEY, "speech")
    cache.put(KEY, "speech", {})
    assert cache.holds(KEY, "speech")
    assert not cache.holds(KEY, "face-tracks")


def test_an_entry_may_be_empty(cache: Cache) -> None:
    cache.put(KEY, "s", {})
    check_is(cache.get(KEY), {}, {})


def test_a_second_put_replaces_the_first(cache: Cache) -> None:
    cache.put(KEY, "s", {"x": np.zeros(1000)}, {})
    cache.put(KEY, "s", {"y": np.ones(2)}, {"n": 2})
    check_is(cache.get(KEY), {"y": np.ones(2)}, {"n": 2})
    assert len(cache.entries()) == 1


@given(
    hnp.arrays(
        st.sampled_from(["?", "<i1", "<u2", "<i8", "<f2", "<f4", "<f8"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.dictionaries(st.text(), st.text() | st.integers() | st.floats(allow_nan=False, width=32)
                    .filter(np.isfinite)),
)  # fmt: skip
def test_any_array_and_meta_round_trip(array: np.ndarray, meta: dict[str, Any]) -> None:
    cache = Cache("memory://round-trip")
    cache.put(KEY, "s", {"x": array}, meta)
    check_is(cache.get(KEY), {"x": array}, meta)


def test_arrays_that_were_read_cannot_be_changed(cache: Cache) -> None:
    cache.put(KEY, "s", {"x": np.zeros(3)})
    entry = cache.get(KEY)
    assert entry is not None
    with pytest.raises(ValueError, match="read-only"):
        entry.arrays["x"][0] = 1


def test_the_files_are_safetensors(local: Cache, tmp_path: Path) -> None:
    local.put(KEY, "s", ARRAYS, META)
    read = load_file(place(tmp_path / "cache"))
    assert set(read) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)


def test_the_same_entry_is_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for arrays in (ARRAYS, dict(reversed(ARRAYS.items()))):
        texts.append(b"".join(bytes(chunk) for chunk in encode(KEY, "s", "m", arrays, META)))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "array", [np.array(["text"]), np.array([None]), np.array([1j]), np.array([1], "M8[s]")]
)
def test_other_types_are_refused(local: Cache, array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="cannot hold the array 'x'"):
        local.put(KEY, "s", {"x": array})
    assert local.entries() == []


@pytest.mark.parametrize("key", ["", "..", "a" * 31, "A" * 32, "../" + "a" * 29, "a" * 33])
def test_a_key_that_is_no_digest_is_refused(local: Cache, key: str) -> None:
    with pytest.raises(ValueError, match="32 hex characters"):
        local.get(key)


def test_tuples_come_back_as_lists(cache: Cache) -> None:
    cache.put(KEY, "s", {}, {"pair": (1, 2)})
    check_is(cache.get(KEY), {}, {"pair": [1, 2]})


# Damage


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_no_flipped_bit_goes_unseen(local: Cache, tmp_path: Path, problems: list[str]) -> None:
    arrays = {"x": np.arange(3, dtype=np.float32), "y": np.array([True, False])}
    local.put(KEY, "s", arrays, {"n": 1})
    path = place(tmp_path / "cache")
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(flip(good, at))
        assert local.get(KEY) is None
    # One flip makes another format version of it, which is ignored in silence.
    assert len(problems) == len(good) - 1


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 100, -1])
def test_a_file_cut_short_is_reported_and_dropped(
    local: Cache, tmp_path: Path, problems: list[str], n: int
) -> None:
    local.put(KEY, "s", {"x": np.arange(100)}, {})
    path = place(tmp_path / "cache")
    path.write_bytes(path.read_bytes()[:n])
    assert local.get(KEY) is None
    assert not path.exists()
    local.put(KEY, "s", {"x": np.arange(100)}, {})
    check_is(local.get(KEY), {"x": np.arange(100)}, {})
    (problem,) = problems
    assert "damaged" in problem
    assert KEY in problem


@pytest.mark.parametrize("arrays", [{"x": np.arange(100)}, {}, {"x": np.zeros(0)}])
def test_bytes_after_the_last_array_are_damage(
    local: Cache, tmp_path: Path, problems: list[str], arrays: dict[str, Any]
) -> None:
    local.put(KEY, "s", arrays, {})
    with place(tmp_path / "cache").open("ab") as file:
        file.write(b"xx\n")
    assert [problem.key for problem in local.verify()] == [KEY]
    assert local.get(KEY) is None
    local.put(KEY, "s", arrays, {})
    check_is(local.get(KEY), arrays, {})
    assert local.verify() == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage" * 100,
        b"\xff" * 500,
        b"\x10" + b"\0" * 7 + b'{"__metadata__":',
        b"\x02" + b"\0" * 7 + b"{}",
        b"\x02" + b"\0" * 7 + b"[]",
        save({"x": np.zeros(3)}),
        save({"x": np.zeros(3)}, {"affect_pipe_cache": "[" * 100_000}),
        save({"x": np.zeros(3)}, {"affect_pipe_cache": "{}"}),
        save({"x": np.zeros(3)}, {"affect_pipe_cache": "[1]"}),
    ],
    ids=range(9),
)
def test_garbage_is_reported_and_dropped(cache: Cache, problems: list[str], garbage: bytes) -> None:
    cache._storage.write(f"entries/{KEY[:2]}/{KEY}.s.safetensors", [garbage])
    assert [e.stage for e in cache.entries(headers=True)] == ["unreadable"]
    assert [p.dropped for p in cache.verify()] == [False]
    assert cache.get(KEY) is None
    assert len(problems) == 1
    assert cache.entries() == []


def test_an_entry_under_another_name_is_not_taken_for_it(
    local: Cache, tmp_path: Path, problems: list[str]
) -> None:
    local.put(KEY, "s", {"x": np.zeros(3)})
    other = digest_json("another key")
    place(tmp_path / "cache", other).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(place(tmp_path / "cache"), place(tmp_path / "cache", other))
    assert local.get(other) is None
    assert "belongs to" in problems[0]


def test_an_entry_under_another_stage_is_damaged(
    local: Cache, tmp_path: Path, problems: list[str]
) -> None:
    local.put(KEY, "s", {"x": np.zeros(3)})
    place(tmp_path / "cache").rename(place(tmp_path / "cache", stage="fusion"))
    assert local.get(KEY) is None
    assert "belongs to the stage s" in problems[0]


def test_a_good_entry_that_replaced_a_damaged_one_is_not_dropped(
    local: Cache, tmp_path: Path, problems: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another process writes between the look at the damaged bytes and their removal.
    local.put(KEY, "s", {"x": np.arange(9)})
    path = place(tmp_path / "cache")
    path.write_bytes(b"garbage")
    move = local._storage.move

    def slow(name: str, new_name: str) -> None:
        if path.exists() and path.read_bytes() == b"garbage":
            Cache(local.root).put(KEY, "s", {"x": np.arange(9)})
        move(name, new_name)

    monkeypatch.setattr(local._storage, "move", slow)
    check_is(local.get(KEY), {"x": np.arange(9)}, {})
    check_is(local.get(KEY), {"x": np.arange(9)}, {})
    path.write_bytes(b"garbage")
    assert local.verify(drop=True) == []
    assert (len(local.entries()), problems, len(os.listdir(path.parent))) == (1, [], 1)


def test_a_file_that_another_machine_replaced_is_read_again(
    local: Cache, monkeypatch: pytest.MonkeyPatch, problems: list[str]
) -> None:
    # NFS has no other way to say that an open file was removed.
    local.put(KEY, "s", {"x": np.arange(3)})
    opened = local._storage.open
    stale = [OSError(errno.ESTALE, "Stale file handle")]

    def open_once(name: str) -> Any:
        if stale:
            raise stale.pop()
        return opened(name)

    monkeypatch.setattr(local._storage, "open", open_once)
    check_is(local.get(KEY), {"x": np.arange(3)}, {})
    assert not problems


def test_another_format_version_is_ignored_and_kept(
    local: Cache, tmp_path: Path, problems: list[str]
) -> None:
    envelope = json.dumps({"format": 2, "anything": "else"})
    local.put(KEY, "s", {})
    place(tmp_path / "cache").write_bytes(save({"x": np.zeros(1)}, {"affect_pipe_cache": envelope}))
    assert local.get(KEY) is None
    assert local.verify(drop=True) == []
    assert [e.stage for e in local.entries(headers=True)] == ["other-version"]
    assert not problems
    local.put(KEY, "s", {}, {"n": 1})
    check_is(local.get(KEY), {}, {"n": 1})


def test_damage_is_logged_where_nobody_asked_to_be_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(tmp_path)
    cache.put(KEY, "s", {})
    place(tmp_path).write_bytes(b"garbage")
    with caplog.at_level(logging.WARNING):
        assert cache.get(KEY) is None
    assert "damaged" in caplog.text


def test_verify_reads_every_entry_and_drops_when_asked(cache: Cache) -> None:
    keys = [digest_json(i) for i in range(5)]
    for i, key in enumerate(keys):
        cache.put(key, "s", {"x": np.full(100, i)})
    assert cache.verify() == []
    name = f"entries/{keys[2][:2]}/{keys[2]}.s.safetensors"
    with cache._storage.open(name) as file:
        data = file.read()
    cache._storage.write(name, [flip(data, len(data) - 1)])
    assert [(p.key, p.dropped) for p in cache.verify()] == [(keys[2], False)]
    assert [(p.key, p.dropped) for p in cache.verify(drop=True)] == [(keys[2], True)]
    assert cache.verify() == []
    assert len(cache.entries()) == 4


def test_verify_by_several_finds_the_same(cache: Cache) -> None:
    keys = sorted(digest_json(i) for i in range(600))
    for key in keys[::60]:
        cache.put(key, "s", {"x": np.zeros(3)})
    for key in keys[::120]:
        cache._storage.write(f"entries/{key[:2]}/{key}.s.safetensors", [b"garbage"])
    alone = cache.verify()
    assert [problem.key for problem in alone] == keys[::120]
    assert cache.verify(workers=2) == alone
    assert all(problem.dropped for problem in cache.verify(workers=2, drop=True))
    assert cache.verify(workers=2) == []
    assert len(cache.entries()) == 5
    with pytest.raises(ValueError, match="at least 1"):
        cache.verify(workers=0)


# What is there, and removing it


def test_info_counts_by_stage(cache: Cache) -> None:
    assert cache.info().n_entries == 0
    for i in range(4):
        cache.put(digest_json(i), "speech" if i else "fusion", {"x": np.zeros(i)})
    info = cache.info()
    assert {name: use.n_entries for name, use in info.stages.items()} == {"fusion": 1, "speech": 3}
    assert info.n_bytes == sum(e.size_bytes for e in cache.entries())
    assert info.n_bytes == sum(use.n_bytes for use in info.stages.values())
    assert info.root == cache.root


def test_the_size_is_that_of_the_files(local: Cache, tmp_path: Path) -> None:
    local.put(KEY, "s", {"x": np.zeros(1000)})
    assert local.info().n_bytes == place(tmp_path / "cache").stat().st_size


def test_prune_removes_what_was_unused_for_longest(local: Cache, tmp_path: Path) -> None:
    keys = [digest_json(i) for i in range(4)]
    for i, key in enumerate(keys):
        local.put(key, "s", {"x": np.zeros(100)})
        os.utime(place(tmp_path / "cache", key), (1e9 + i, 1e9 + i))
    assert local.get(keys[0]) is not None  # used now: the youngest
    size = local.entries()[0].size_bytes
    removal = local.prune(2 * size + 1)
    assert (removal.n_removed, removal.removed_bytes) == (2, 2 * size)
    assert removal.left_bytes == local.info().n_bytes == 2 * size
    assert {e.key for e in local.entries()} == {keys[0], keys[3]}
    assert local.prune(2 * size).n_removed == 0


def test_verifying_is_not_using(local: Cache, tmp_path: Path) -> None:
    # Reading moves the access time on most mounts, which backups and scanners do too.
    local.put(KEY, "s", {})
    os.utime(place(tmp_path / "cache"), (1e9, 1e9))
    assert local.verify() == []
    place(tmp_path / "cache").read_bytes()
    assert local.entries(headers=True)[0].used_s == 1e9
    local.get(KEY, "s")
    assert local.entries()[0].used_s > 1.5e9


@pytest.mark.parametrize(
    ("age_s", "noted"), [(600, False), (-600, False), (7200, True), (-7200, True)]
)
def test_use_is_noted_once_an_hour(local: Cache, tmp_path: Path, age_s: int, noted: bool) -> None:
    local.put(KEY, "s", {})
    written_s = time.time() - age_s
    os.utime(place(tmp_path / "cache"), (written_s, written_s))
    local.get(KEY, "s")
    assert (abs(local.entries()[0].used_s - time.time()) < 60) == noted


def test_prune_counts_what_another_prune_removed(
    local: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both listed the same entries; what the other took must not make this one take more.
    other = Cache(local.root)
    for i in range(8):
        local.put(digest_json(i), "s", {"x": np.zeros(100)})
    for i, entry in enumerate(local.entries()):
        os.utime(place(Path(local.root), entry.key), (1e9, 1e9 + (0 if i < 6 else i)))
    size = local.entries()[0].size_bytes
    delete = local._storage.delete
    others: list[int] = []

    def late(name: str) -> bool:
        if not others:
            others.append(other.prune(4 * size).n_removed)
        return delete(name)

    monkeypatch.setattr(local._storage, "delete", late)
    removal = local.prune(4 * size)
    assert (others, removal.n_removed, removal.left_bytes) == ([4], 0, 4 * size)
    assert len(local.entries()) == 4


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12), st.integers(-1, 20))
def test_prune_removes_what_sorting_by_use_would(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, int]], keep: int
) -> None:
    cache = Cache(tmp_path_factory.mktemp("prune"))
    left = []
    for i, (used, size) in enumerate(entries):
        key = digest_json(i)
        path = place(Path(cache.root), key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        os.utime(path, (1e9 + used, 1e9 + used))
        left.append((used, key, size))
    left.sort()
    while sum(size for *_, size in left) > keep:
        if not left:
            break
        left.pop(0)
    removal = cache.prune(keep)
    assert {e.key for e in cache.entries()} == {key for _, key, _ in left}
    assert removal.n_removed == len(entries) - len(left)
    assert removal.left_bytes == sum(size for *_, size in left)


def test_listing_opens_nothing(local: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        local.put(digest_json(i), f"stage {i}/..", {"x": np.zeros(9)}, media_digest="ab")
    with_headers = local.entries(headers=True)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(Path, "open", refuse)
    assert list(local.info().stages) == [f"stage {i}/.." for i in range(3)]
    listed = local.entries()
    assert [e.media_digest for e in listed] == ["", "", ""]
    assert [(e.key, e.stage, e.size_bytes) for e in listed] == [
        (e.key, e.stage, e.size_bytes) for e in with_headers
    ]
    assert [e.key for e in listed] == sorted(e.key for e in listed)
    assert local.prune(0).n_removed == 3


def test_the_key_alone_decides(cache: Cache) -> None:
    cache.put(KEY, "features-visual", {"x": np.arange(3)}, {})
    for stage in ("", "features-visual", "features-facemesh"):
        check_is(cache.get(KEY, stage), {"x": np.arange(3)}, {})
    assert cache.get(digest_json("none"), "features-visual") is None


def test_entries_named_without_a_stage_are_understood(local: Cache, tmp_path: Path) -> None:
    local.put(KEY, "s", {"x": np.arange(3)}, {})
    path = place(tmp_path / "cache")
    path.rename(path.with_name(f"{KEY}.safetensors"))
    check_is(local.get(KEY, "s"), {"x": np.arange(3)}, {})
    assert [e.stage for e in local.entries()] == ["s"]
    assert local.verify() == []
    assert local.prune(0).n_removed == 1


@pytest.mark.parametrize("stage", ["", "x" * 151])
def test_a_stage_that_no_name_can_hold_is_refused(local: Cache, stage: str) -> None:
    with pytest.raises(ValueError, match="1 to 150 characters"):
        local.put(KEY, stage, {})


def test_clear_removes_entries_and_nothing_else(cache: Cache, tmp_path: Path) -> None:
    strangers = ["precious.mp4", "entries/notes.txt", f"entries/00/{KEY}.safetensors"]
    for name in strangers:
        cache._storage.write(name, [b"mine"])
    for i in range(3):
        cache.put(digest_json(i), "s", {})
    removal = cache.clear()
    assert (removal.n_removed, removal.left_bytes) == (3, 0)
    assert sorted(file.name for file in cache._storage.files()) == sorted(strangers)


def test_prune_forgets_old_digests_and_clear_all(local: Cache, tmp_path: Path) -> None:
    folder = local.digest_folder()
    folder.mkdir()
    old, new, stranger = folder / ("0" * 32), folder / ("1" * 32), folder / "notes"
    for path in (old, new, stranger):
        path.touch()
    os.utime(old, (1e9, 1e9))
    local.prune(10**9)
    assert sorted(folder.iterdir()) == [new, stranger]
    local.clear()
    assert sorted(folder.iterdir()) == [stranger]


def test_only_stale_temporary_files_are_removed(local: Cache, tmp_path: Path) -> None:
    local.put(KEY, "s", {})
    folder = place(tmp_path / "cache").parent
    (folder / ".affect-pipe-0123456789abcdef.tmp").write_bytes(b"running")
    for clean in (local.verify, lambda: local.prune(10**9)):
        stale = folder / ".affect-pipe-fedcba9876543210.tmp"
        stale.write_bytes(b"interrupted")
        two_days_ago = time.time() - 2 * 24 * 3600
        os.utime(stale, (two_days_ago, two_days_ago))
        clean()
        assert sorted(os.listdir(folder)) == [
            ".affect-pipe-0123456789abcdef.tmp",
            place(tmp_path).name,
        ]


# Places that cannot be used


def test_a_file_in_place_of_the_folder_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CacheError, match=r"cannot be written to .* --cache-dir"):
            Cache(root)


def test_a_read_only_folder_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(CacheError, match=r"Permission denied.* --cache-dir"):
        Cache(tmp_path)


def test_a_read_only_folder_with_entries_is_read(
    local: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    local.put(KEY, "s", {"x": np.arange(3)}, {})
    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(os, "utime", refuse)
    mounted = Cache(tmp_path / "cache")
    check_is(mounted.get(KEY), {"x": np.arange(3)}, {})
    for _ in range(2):
        with pytest.raises(CacheError, match=r"can only be read \(Read-only file system\)"):
            mounted.put(KEY, "s", {})


def test_looking_at_a_cache_makes_no_folder(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "none", prepare=False)
    assert cache.info().n_entries == 0
    assert cache.verify() == []
    assert cache.clear().n_removed == 0
    assert not (tmp_path / "none").exists()


def test_an_unknown_protocol_is_one_clear_sentence() -> None:
    with pytest.raises(CacheError, match=r"nonsense://x cannot be opened .* --cache-dir"):
        Cache("nonsense://x")


def test_a_full_disk_is_told_and_leaves_nothing(
    local: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CacheError, match=r"No space left on device.*--cache-dir"):
        local.put(KEY, "s", {"x": np.zeros(1000)})
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_failing_remote_store_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(f"memory://{tmp_path}/cache")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the bucket is gone")

    monkeypatch.setattr(cache._storage._fs, "mv", fail, raising=False)
    with pytest.raises(CacheError, match="the bucket is gone"):
        cache.put(KEY, "s", {"x": np.zeros(10)})
    assert list(cache._storage.files()) == []


def test_an_entry_that_cannot_be_read_is_computed_again(
    local: Cache, tmp_path: Path, problems: list[str]
) -> None:
    place(tmp_path / "cache").mkdir(parents=True)
    assert local.get(KEY) is None
    assert "cannot be read" in problems[0]


# Where it lies


def test_the_flag_outweighs_the_environment_outweighs_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module.platformdirs, "user_cache_dir", lambda name: f"/u/{name}")
    monkeypatch.delenv("AFFECT_PIPE_CACHE", raising=False)
    assert resolve_root() == Path("/u/affect-pipe").absolute()
    monkeypatch.setenv("AFFECT_PIPE_CACHE", "")
    assert resolve_root(None) == Path("/u/affect-pipe").absolute()
    monkeypatch.setenv("AFFECT_PIPE_CACHE", str(tmp_path))
    assert resolve_root() == tmp_path
    assert resolve_root("s3://bucket/folder") == "s3://bucket/folder"
    assert resolve_root("~/x") == Path.home() / "x"
    monkeypatch.chdir(tmp_path)
    assert resolve_root("here") == tmp_path / "here"


@pytest.mark.parametrize("no_path", ["", "~nosuchuser/x", "a\0b"])
def test_what_is_no_path_is_one_clear_sentence(no_path: str) -> None:
    with pytest.raises(UsageError, match="the cache folder"):
        resolve_root(no_path)


def test_digests_are_remembered_on_a_local_disk(tmp_path: Path) -> None:
    assert Cache(tmp_path).digest_folder() == tmp_path / "digests"
    assert Cache("memory://x").digest_folder().is_absolute()
