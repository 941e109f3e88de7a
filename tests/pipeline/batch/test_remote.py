"""Results and videos behind URLs: an S3 server of this machine, and fsspec's own memory."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.pipeline.batch.find import find_items
from affect_pipe.pipeline.batch.records import Item
from affect_pipe.pipeline.batch.remote_media import WithRemoteMedia, fetched, find_remote
from affect_pipe.pipeline.batch.remote_store import store_at
from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.errors import MediaError, StageError, UsageError
from affect_pipe.pipeline.fingerprint import digest_bytes, digest_json

BUDGET = 1 << 20


@pytest.fixture(params=["s3", "memory", "file"])
def place(request, tmp_path):
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{tmp_path.name}"
    return f"memory://{tmp_path.name}" if request.param == "memory" else f"file://{tmp_path}/place"


def system_of(url):
    import fsspec

    return fsspec.core.url_to_fs(url)


def test_a_result_that_was_written_is_found_and_no_other(place):
    store = store_at(place)
    assert store.digest("sub/a.affect.json") is None
    assert store.write("sub/a.affect.json", b"one") == digest_bytes(b"one")
    assert store.write("sub/a.affect.json", b"another") == digest_bytes(b"another")
    assert store.digest("sub/a.affect.json") == digest_bytes(b"another")
    system, root = system_of(place)
    names = [path.removeprefix(root).lstrip("/") for path in system.find(root)]
    assert names == ["sub/a.affect.json"]


def test_the_cache_lies_there_too(place):
    cache, key = Cache(place, on_problem=pytest.fail), digest_json(place)
    assert cache.get(key) is None
    cache.put(key, "probe", {"x": np.arange(4.0)}, {"n": 1})
    entry = Cache(place, on_problem=pytest.fail).get(key)
    assert entry is not None
    np.testing.assert_array_equal(entry.arrays["x"], np.arange(4.0))
    assert cache.verify() == []
    # An entry that lost its end is told as such, not returned.
    system, root = system_of(place)
    (path,) = (p for p in system.find(root) if key in p)
    system.pipe_file(path, system.cat_file(path)[:-8])
    problems = []
    assert Cache(place, on_problem=problems.append).get(key) is None
    assert problems


def test_a_store_nobody_knows_is_one_sentence():
    with pytest.raises(UsageError, match="nosuch"):
        store_at("nosuch://bucket/a")


def put(url, **files):
    system, root = system_of(url)
    for name, data in files.items():
        path = f"{root}/{name.replace('__', '/').replace('_', '.')}"
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        system.pipe_file(path, data)


def test_videos_are_found_as_they_lie(place):
    put(place, a_mp4=b"1", sub__b_mkv=b"2", a_srt=b"3", notes_pdf=b"4")
    found = {item.target: item.video for item in find_remote(place)}
    assert set(found) == {"a", "sub/b"}
    assert [item.target for item in find_remote(f"{place}/*/*.mkv")] == ["sub/b"]
    one = next(iter(find_remote(f"{place}/a.mp4")))
    assert (one.target, one.video) == ("a", found["a"])
    with pytest.raises(UsageError, match="no file"):
        list(find_remote(f"{place}/sub/*.mp4"))


def test_a_video_is_fetched_with_its_words_and_is_fresh(place, tmp_path):
    put(place, a_mp4=b"old", a_en_srt=b"words", ab_srt=b"another's")
    folder = tmp_path / "copies"
    with fetched(f"{place}/a.mp4", folder, BUDGET) as path:
        assert path.read_bytes() == b"old"
        assert sorted(p.name for p in path.parent.iterdir()) == ["a.en.srt", "a.mp4"]
    put(place, a_mp4=b"newer", a_en_srt=b"other words")
    system_of(place)[0].invalidate_cache()
    with fetched(f"{place}/a.mp4", folder, BUDGET) as path:
        assert path.read_bytes() == b"newer"
        assert (path.parent / "a.en.srt").read_bytes() == b"other words"


def test_copies_stay_within_their_budget(place, tmp_path):
    folder = tmp_path / "copies"
    for name in "abcd":
        put(place, **{f"{name}_mp4": name.encode() * 400})
        with fetched(f"{place}/{name}.mp4", folder, 1000) as path:
            assert path.stat().st_size == 400
        assert sum(p.stat().st_size for p in folder.rglob("*.mp4")) <= 1000
    # One that is in use is not taken away for another.
    with (
        fetched(f"{place}/a.mp4", folder, 1000) as first,
        fetched(f"{place}/b.mp4", folder, 1000),
        pytest.raises(StageError, match="room"),
        fetched(f"{place}/c.mp4", folder, 1000),
    ):
        pass
    assert first.exists()
    with pytest.raises(MediaError, match="more than"), fetched(f"{place}/a.mp4", folder, 100):
        pass


def test_what_is_not_there_is_one_sentence(place, tmp_path):
    with (
        pytest.raises(MediaError, match="is not there"),
        fetched(f"{place}/none.mp4", tmp_path, BUDGET),
    ):
        pass


@dataclass(frozen=True)
class Reading:
    """Work that returns the bytes of a video, and those of words and speakers with their names."""

    @contextmanager
    def open(self):
        def read(item, tell):
            beside = [path for path in (item.transcript, item.diarisation) if path]
            return Path(item.video).read_bytes(), *((p.name, p.read_bytes()) for p in beside)

        yield read


def test_work_gets_a_file_wherever_the_video_is(place, tmp_path):
    put(place, a_mp4=b"remote")
    (tmp_path / "b.mp4").write_bytes(b"local")
    with WithRemoteMedia(Reading(), tmp_path / "copies", BUDGET).open() as attempt:
        assert attempt(Item(f"{place}/a.mp4", "a"), print) == (b"remote",)
        assert attempt(Item(str(tmp_path / "b.mp4"), "b"), print) == (b"local",)


def test_a_list_may_name_everything_by_url(place, tmp_path):
    put(place, in__a_mp4=b"video", words__w_srt=b"words", who_rttm=b"speakers", a_csv=b"video")
    (tmp_path / "b.mp4").write_bytes(b"local")
    (tmp_path / "b.srt").write_bytes(b"its words")
    listed = tmp_path / "list.csv"
    listed.write_text(
        "video,transcript,diarisation,language\n"
        f"{place}/in/a.mp4,{place}/words/w.srt,{place}/who.rttm,en\n"
        f"b.mp4,b.srt,{place}/who.rttm,\n"
        f"{place}/in/c.mp4,{place}/none.srt,,\n"
    )
    a, b, c = find_items([str(listed)], print)
    assert (a.target, a.video, a.language) == ("a", f"{place}/in/a.mp4", "en")
    with WithRemoteMedia(Reading(), tmp_path / "copies", BUDGET).open() as attempt:
        who = ("who.rttm", b"speakers")
        assert attempt(a, print) == (b"video", ("w.srt", b"words"), who)
        assert attempt(b, print) == (b"local", ("b.srt", b"its words"), who)
        with pytest.raises(MediaError, match=r"none.srt is not there"):
            attempt(c, print)
    text = tmp_path / "list.txt"
    text.write_text(f"# one\n{place}/in/a.mp4\n")
    assert find_items([str(text)], print) == (Item(f"{place}/in/a.mp4", "a"),)
    text.write_text(f"{place}/in/a.mp4\n{place}/other/a.mp4\n")
    with pytest.raises(UsageError, match="both write a"):
        find_items([str(text)], print)
    with pytest.raises(UsageError, match="copy it here"):
        find_items([f"{place}/a.csv"], print)
