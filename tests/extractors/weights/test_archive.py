"""Archives of weights: there and back with real files, and everything that must be refused."""

import hashlib
import io
import json
import os
import shutil
import tarfile

import pytest

from affect_pipe.extractors.weights.bundle import bundle
from affect_pipe.extractors.weights.catalogue import OWN_FILES, wanted
from affect_pipe.extractors.weights.own import add, stored, verify
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.extractors.weights.unbundle import ArchiveError, load
from affect_pipe.pipeline.errors import AffectPipeError, MissingWeightsError, UsageError

MINE = wanted("my-encoder", OWN_FILES)


@pytest.fixture
def archive(store, tmp_path):
    path = tmp_path / "mine.tar"
    bundle(store, [MINE], path)
    return path


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> WeightsStore:
    """The store of another machine; from now on the store of this test."""
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path / "elsewhere"))
    return WeightsStore()


def members(path):
    with tarfile.open(path) as tar:
        return [(m, tar.extractfile(m).read()) for m in tar]


def pack(path, entries):
    """Write an archive of (name or TarInfo, bytes) pairs."""
    with tarfile.open(path, "w") as tar:
        for member, content in entries:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def described(files, name="evil", **more):
    """A manifest of these files, right in every respect but what ``more`` overrides."""
    listed = [
        {"name": n, "size": len(c), "sha256": hashlib.sha256(c).hexdigest()} | more
        for n, c in files.items()
    ]
    text = {"format": "affect-pipe-weights/1", "weights": [{"name": name, "files": listed}]}
    return ("manifest.json", json.dumps(text).encode())


def refuse(path, *parts, error=ArchiveError):
    with pytest.raises(error) as caught:
        load(WeightsStore().root, path)
    said = str(caught.value)
    assert "\n" not in said
    for part in (str(path), *parts):
        assert part in said, said


def test_there_and_back(archive, encoder, elsewhere):
    (loaded,) = load(elsewhere.root, archive)
    assert loaded.new
    folder = elsewhere.find(MINE)
    assert folder == loaded.folder == elsewhere.root / "my-encoder"
    for path in encoder.rglob("*"):
        if path.is_file():
            assert (folder / path.relative_to(encoder)).read_bytes() == path.read_bytes()
    assert verify(elsewhere, MINE).problems == ()
    assert not load(elsewhere.root, archive)[0].new


def test_the_same_weights_give_the_same_archive(archive, store, elsewhere, tmp_path):
    load(elsewhere.root, archive)
    bundle(elsewhere, [MINE], tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_the_manifest_comes_first_and_tells_everything(archive, encoder):
    (first, text), *others = members(archive)
    assert first.name == "manifest.json"
    (record,) = json.loads(text)["weights"]
    assert {(f"my-encoder/{f['name']}", f["size"], f["sha256"]) for f in record["files"]} == {
        (m.name, m.size, hashlib.sha256(content).hexdigest()) for m, content in others
    }
    assert all((m.uid, m.mtime, m.uname) == (0, 0, "") for m, _ in members(archive))


def test_weights_of_a_library_are_packed_from_its_own_folder(tmp_path, monkeypatch, elsewhere):
    """What lies beside them there is not taken along."""
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "vgg_face_dag.pth").write_bytes(b"face")
    (folder / "other.pth").write_bytes(b"other")
    bundle(elsewhere, [wanted("vggface")], tmp_path / "face.tar")
    assert [m.name for m, _ in members(tmp_path / "face.tar")][1:] == ["vggface/vgg_face_dag.pth"]
    shutil.rmtree(folder)
    with pytest.raises(MissingWeightsError):
        elsewhere.here(wanted("vggface"))
    load(elsewhere.root, tmp_path / "face.tar")
    assert elsewhere.file(wanted("vggface")).read_bytes() == b"face"


def test_linked_files_are_packed_as_files(encoder, elsewhere, tmp_path):
    add(elsewhere, "linked", encoder, link=True)
    bundle(elsewhere, [wanted("linked")], tmp_path / "linked.tar")
    assert all(m.isreg() for m, _ in members(tmp_path / "linked.tar"))


def test_what_is_not_here_is_not_packed(store, tmp_path):
    with pytest.raises(MissingWeightsError, match="affect-pipe models pull vggface"):
        bundle(store, [MINE, wanted("vggface")], tmp_path / "some.tar")
    assert not (tmp_path / "some.tar").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../evil/x", "/tmp/evil", "a/../../x", "..", "a//b", "./a", "a/", "", ".affect-pipe.json",
        "a\\..\\b", "C:/x", "a\x00b", "a\nb", "x" * 500, "a/b/c/d/e/f/g/h/i", "\ud800", "a/.hidden",
    ],
)  # fmt: skip
def test_file_names_that_lead_astray_are_refused(tmp_path, name, left_in_store):
    text = described({"ok.bin": b"1"})[1].decode().replace('"ok.bin"', json.dumps(name))
    path = pack(tmp_path / "evil.tar", [("manifest.json", text.encode()), ("evil/ok.bin", b"1")])
    refuse(path, "manifest")
    assert left_in_store() == set()


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/b/c", "/etc", "a--b", ".locks", "", "a\\b", "-x"]
)
def test_names_of_sets_that_lead_astray_are_refused(tmp_path, name, left_in_store):
    files = {"ok.bin": b"1"}
    path = pack(tmp_path / "evil.tar", [described(files, name), (f"{name or 'x'}/ok.bin", b"1")])
    refuse(path, "manifest")
    assert left_in_store() == set()


def odd(name, kind, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize(
    "member",
    [
        odd("evil/ok.bin", tarfile.SYMTYPE, linkname="/etc/passwd"),
        odd("evil/ok.bin", tarfile.LNKTYPE, linkname="manifest.json"),
        odd("evil/ok.bin", tarfile.FIFOTYPE),
        odd("evil/ok.bin", tarfile.CHRTYPE, devmajor=1, devminor=3),
        odd("evil/ok.bin", tarfile.BLKTYPE),
        odd("evil/ok.bin", tarfile.DIRTYPE),
    ],
    ids=["symlink", "hardlink", "fifo", "device", "block", "folder"],
)
def test_members_that_are_no_plain_files_are_refused(tmp_path, member, left_in_store):
    path = pack(tmp_path / "evil.tar", [described({"ok.bin": b""}), (member, b"")])
    refuse(path, "no plain file")
    assert left_in_store() == set()


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ([("evil/more.bin", b"x")], "not in its manifest"),
        ([("../outside.bin", b"x")], "not in its manifest"),
        ([("/tmp/absolute.bin", b"x")], "not in its manifest"),
        ([("evil/ok.bin", b"twice")], "not in its manifest, or twice"),
        ([odd("evil/link", tarfile.SYMTYPE, linkname="..")], "not in its manifest"),
    ],
)
def test_members_that_nobody_announced_are_refused(tmp_path, extra, why, left_in_store):
    extra = [(e, b"") if isinstance(e, tarfile.TarInfo) else e for e in extra]
    entries = [described({"ok.bin": b"right"}), ("evil/ok.bin", b"right"), *extra]
    refuse(pack(tmp_path / "evil.tar", entries), why)
    assert left_in_store() == set()
    assert not (tmp_path / "outside.bin").exists()


def test_other_bytes_than_announced_are_refused(archive, elsewhere, left_in_store):
    with tarfile.open(archive) as tar:
        member = tar.getmember("my-encoder/model.safetensors")
    with archive.open("r+b") as file:
        file.seek(member.offset_data + 1234)
        file.write(b"\xff\x00\xff")
    refuse(archive, "my-encoder/model.safetensors", "another SHA-256")
    assert not elsewhere.root.joinpath("my-encoder").exists()


def test_another_size_than_announced_is_refused(tmp_path, left_in_store):
    entries = [described({"ok.bin": b"right"}, size=4), ("evil/ok.bin", b"right")]
    refuse(pack(tmp_path / "evil.tar", entries), "another size")
    assert left_in_store() == set()


def test_a_missing_member_is_told(tmp_path, left_in_store):
    entries = [described({"a.bin": b"1", "b.bin": b"2"}), ("evil/a.bin", b"1")]
    refuse(pack(tmp_path / "evil.tar", entries), "b.bin", "missing")
    assert left_in_store() == set()


@pytest.mark.parametrize("kept", [0.999, 0.7, 0.3, 0.0005, 0.0])
def test_an_archive_that_was_cut_off_is_refused(archive, tmp_path, elsewhere, kept):
    data = archive.read_bytes()
    end = data.rstrip(b"\0")
    (tmp_path / "half.tar").write_bytes(data[: int(len(end) * kept)])
    refuse(tmp_path / "half.tar")
    assert [p for p in elsewhere.root.iterdir() if p.name != ".locks"] == []


def test_what_promises_more_than_there_is_room_for_is_refused(tmp_path, left_in_store):
    """A bomb: a manifest that announces an exabyte, and a member whose header does."""
    info = tarfile.TarInfo("evil/ok.bin")
    info.size = 10**18
    path = tmp_path / "bomb.tar"
    with tarfile.open(path, "w") as tar:
        name, text = described({"ok.bin": b"1"}, size=10**18)
        head = tarfile.TarInfo(name)
        head.size = len(text)
        tar.addfile(head, io.BytesIO(text))
        tar.fileobj.write(info.tobuf())
    with pytest.raises(AffectPipeError, match="the disk of"):
        load(WeightsStore().root, path)
    assert left_in_store() == set()


def test_a_sparse_member_that_would_grow_is_refused(tmp_path, left_in_store):
    """Gigabytes of holes in a few bytes, as GNU tar writes them."""
    n_bytes = 3 * 10**9
    pax = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1",
           "GNU.sparse.size": str(n_bytes)}  # fmt: skip
    member = odd("evil/ok.bin", tarfile.REGTYPE, pax_headers=pax)
    entries = [described({"ok.bin": b"1"}, size=n_bytes), (member, b"1")]
    path = pack(tmp_path / "sparse.tar", entries)
    with tarfile.open(path) as tar:
        assert tar.getmember("evil/ok.bin").size == n_bytes
    refuse(path, "no plain file")
    assert left_in_store() == set()


def test_a_header_without_end_is_not_read(tmp_path):
    """An extended header of hundreds of megabytes: tarfile would read it as one piece."""
    import tracemalloc

    head = odd("x", tarfile.XHDTYPE)
    head.size = 400 * 2**20
    path = tmp_path / "long.tar"
    pack(path, [described({"ok.bin": b"1"})])
    with path.open("r+b") as file:
        file.truncate(len(file.read().rstrip(b"\0")) // 512 * 512 + 512)
        file.seek(0, os.SEEK_END)
        file.write(head.tobuf())
        file.truncate(file.tell() + head.size)  # holes on the disk
    tracemalloc.start()
    refuse(path)
    assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_compressed_archives_are_refused(tmp_path, mode):
    with tarfile.open(tmp_path / "packed.tar", mode) as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"), io.BytesIO(b""))
    refuse(tmp_path / "packed.tar")


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"null", b'{"format": "affect-pipe-weights/2", "weights": []}',
        b'{"format": "affect-pipe-weights/1", "weights": []}',
        b'{"format": "affect-pipe-weights/1", "weights": [{"name": "x", "files": []}]}',
        b"[" * 100_000, b"\xff\xfe",
        b'{"format": "affect-pipe-weights/1", "run": "x", "weights": [{"name": "x", "files": '
        b'[{"name": "a", "size": 1, "sha256": "' + b"0" * 64 + b'"}]}]}',
        b'{"format": "affect-pipe-weights/1", "weights": [{"name": "x", "files": '
        b'[{"name": "a", "size": -1, "sha256": "' + b"0" * 64 + b'"}]}]}',
    ],
)  # fmt: skip
def test_manifests_that_are_none_are_refused(tmp_path, text, left_in_store):
    refuse(pack(tmp_path / "odd.tar", [("manifest.json", text)]), "manifest")
    assert left_in_store() == set()


@pytest.mark.parametrize("names", [("a.bin", "A.BIN"), ("a", "a/b"), ("é.bin", "e\u0301.bin")])
def test_names_that_clash_on_some_system_are_refused(tmp_path, names):
    files = dict.fromkeys(names, b"1")
    path = pack(tmp_path / "odd.tar", [described(files), *((f"evil/{n}", b"1") for n in names)])
    refuse(path, "manifest")


def test_no_archive_at_all(tmp_path, sample):
    refuse(tmp_path / "nowhere.tar", error=UsageError)
    refuse(tmp_path, error=UsageError)
    refuse(sample)
    refuse(pack(tmp_path / "other.tar", [("readme.txt", b"hello")]), "first member")


def test_other_files_under_the_name_of_published_weights_are_refused(tmp_path, left_in_store):
    files = {"vgg16-397923af.pth": b"something else"}
    entries = [described(files, "vgg16"), ("vgg16/vgg16-397923af.pth", b"something else")]
    refuse(pack(tmp_path / "evil.tar", entries), "not the published file")
    entries = [described({"x": b"1"}, "minilm"), ("minilm/x", b"1")]
    refuse(pack(tmp_path / "part.tar", entries), "without config.json, model.safetensors")
    assert left_in_store() == set()


def test_other_files_of_the_same_name_are_kept_unless_told(archive, elsewhere, tmp_path):
    (tmp_path / "other.bin").write_bytes(b"other")
    add(elsewhere, "my-encoder", tmp_path / "other.bin")
    with pytest.raises(UsageError, match=r"models remove my-encoder.*--replace"):
        load(elsewhere.root, archive)
    assert (elsewhere.find(MINE) / "other.bin").read_bytes() == b"other"
    load(elsewhere.root, archive, replace=True)
    assert sorted(p.name for p in elsewhere.find(MINE).iterdir() if p.name[0] != ".") == [
        "1_Pooling", "config.json", "empty.txt", "model.safetensors",
    ]  # fmt: skip
    assert [record.name for record in stored(elsewhere)] == ["my-encoder"]


@pytest.mark.parametrize("harm", ["changed", "gone", "one more", "no record"])
def test_damaged_files_are_no_longer_the_same(archive, elsewhere, harm):
    load(elsewhere.root, archive)
    assert not load(elsewhere.root, archive)[0].new
    folder = elsewhere.find(MINE)
    if harm == "changed":
        (folder / "config.json").write_text('{"hidden_size": 9}\n')
    elif harm == "gone":
        (folder / "empty.txt").unlink()
    elif harm == "one more":
        (folder / "tokenizer.json").write_text("{}")
    else:
        (folder / ".affect-pipe.json").write_text("{")
    with pytest.raises(UsageError, match=r"models remove my-encoder.*--replace"):
        load(elsewhere.root, archive)
    assert load(elsewhere.root, archive, replace=True)[0].new
    assert verify(elsewhere, MINE).problems == ()
    assert not load(elsewhere.root, archive)[0].new
    assert (folder / "config.json").read_text() == '{"hidden_size": 8}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "it is no JSON"),
        (b'{"weights": [{"name": "x"}]}', r"weights\.0\.files is not there"),
        (b'{"run": 1, "weights": []}', "at least 1 item|is nothing a manifest has"),
        (b'{"format": "2", "weights": []}', "format is wrong"),
        (b'{"weights": [{"name": "../up", "files": []}]}', r"'\.\./up' cannot be the name"),
        (b"[]", "all of it is wrong"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_one_sentence(tmp_path, text, said):
    path = pack(tmp_path / "odd.tar", [("manifest.json", text)])
    with pytest.raises(ArchiveError, match=said) as caught:
        load(WeightsStore().root, path)
    assert "pydantic" not in str(caught.value)
    assert "validation error" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_minilm_model_goes_where_there_is_none(tmp_path, elsewhere, monkeypatch):
    """The weights of the default checkpoint, from an installed package to a bare machine."""
    import importlib.util

    from affect_pipe.extractors.text.minilm import MiniLM

    here = elsewhere.look(wanted("minilm"))
    if here is None:
        pytest.skip("the minilm model is not on this machine")
    bundle(elsewhere, [wanted("minilm")], tmp_path / "minilm.tar")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n.startswith("gt_all") else found(n)
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(MissingWeightsError):
        MiniLM().spec()
    load(elsewhere.root, tmp_path / "minilm.tar")
    assert MiniLM()._folder == elsewhere.root / "minilm"
    assert MiniLM().encode(["hello"]).shape == (1, 384)
