"""Fetching from a server: sound files, wrong ones, broken lines, several processes at once."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from affect_pipe.extractors.weights.needs import Weights, WeightsFile
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import AffectPipeError, MissingWeightsError
from affect_pipe.pipeline.fingerprint import digest_file

CONTENT = bytes(range(256)) * 12_000


def one_sentence(error, *parts):
    said = str(error)
    assert "\n" not in said
    for part in parts:
        assert part in said, said


def test_a_published_file_is_fetched_once_and_found_again(publisher):
    weights, store, said = publisher.publish("net", CONTENT), WeightsStore(), []
    folder = store.find(weights, say=said.append)
    assert folder == store.root / "net"
    assert (folder / "weights.bin").read_bytes() == CONTENT
    assert store.file(weights) == folder / "weights.bin"
    assert len(said) == 1
    assert "3.1 MB" in said[0]
    assert publisher.asked == {"/net.bin": 1}
    assert store.digest(weights) == digest_file(folder / "weights.bin")


@pytest.mark.parametrize("size", [True, False])
def test_another_checksum_is_refused_and_nothing_is_left(publisher, size, left_in_store):
    weights, store = publisher.publish("net", CONTENT, sha256="0" * 64, size=size), WeightsStore()
    with pytest.raises(MissingWeightsError) as caught:
        store.find(weights, needed_for="the net feature")
    one_sentence(caught.value, "not the published file", "weights.bin", "the net feature")
    assert left_in_store() == set()


def test_another_size_is_refused_where_no_checksum_is_published(publisher, left_in_store):
    weights, store = publisher.publish("net", CONTENT, sha256=None), WeightsStore()
    (publisher.folder / "net.bin").write_bytes(CONTENT + b"more")
    with pytest.raises(MissingWeightsError, match="another size"):
        store.find(weights)
    assert left_in_store() == set()


@pytest.mark.parametrize("sha256", ["", None])
def test_a_broken_line_leaves_nothing_and_the_next_try_succeeds(publisher, sha256, left_in_store):
    weights, store = publisher.publish("net", CONTENT, sha256=sha256, size=False), WeightsStore()
    publisher.cut_off_at = 100_000
    with pytest.raises(MissingWeightsError) as caught:
        store.find(weights)
    one_sentence(caught.value, "127.0.0.1", "broke off", "affect-pipe models pull net")
    assert left_in_store() == set()
    publisher.cut_off_at = None
    assert store.file(weights).read_bytes() == CONTENT


def test_a_file_that_is_gone_is_told(publisher):
    weights, store = publisher.publish("net", CONTENT), WeightsStore()
    (publisher.folder / "net.bin").unlink()
    with pytest.raises(MissingWeightsError, match="answers 404"):
        store.find(weights)


def test_threads_that_want_the_same_file_fetch_it_once(publisher):
    weights, store = publisher.publish("net", CONTENT), WeightsStore()
    publisher.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(store.file, weights) for _ in range(4)]
        threading.Timer(0.5, publisher.gate.set).start()
        assert {future.result().read_bytes() for future in waiting} == {CONTENT}
    assert publisher.asked == {"/net.bin": 1}


def test_processes_that_want_the_same_file_fetch_it_once(publisher):
    weights, store = publisher.publish("net", CONTENT), WeightsStore()
    file = weights.files[0]
    program = (
        "from affect_pipe.extractors.weights.needs import Weights, WeightsFile\n"
        "from affect_pipe.extractors.weights.store import WeightsStore\n"
        f"file = WeightsFile('weights.bin', {file.size}, {file.sha256!r}, {file.url!r})\n"
        "print(WeightsStore().file(Weights(name='net', files=(file,))))\n"
    )
    publisher.gate.clear()
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    threading.Timer(4.0, publisher.gate.set).start()
    said = {process.communicate(timeout=60)[0].strip() for process in running}
    assert said == {str(store.root / "net" / "weights.bin")}
    assert publisher.asked == {"/net.bin": 1}


def test_no_network_says_what_is_missing_and_both_ways_to_get_it(tmp_path):
    # Nobody listens on the port 9 of this machine.
    file = WeightsFile("weights.bin", 5, "0" * 64, "http://127.0.0.1:9/net.bin")
    store = WeightsStore()
    with pytest.raises(MissingWeightsError) as caught:
        store.find(Weights(name="org/net", files=(file,)), needed_for="the net feature")
    one_sentence(
        caught.value,
        "weights.bin is not in " + str(store.root / "org--net"),
        "the net feature",
        "affect-pipe models pull org/net",
        "affect-pipe models bundle org/net --out org--net.tar",
        "affect-pipe models load org--net.tar",
    )


def test_the_user_can_forbid_the_network(publisher, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    weights = publisher.publish("net", CONTENT)
    with pytest.raises(MissingWeightsError, match="switched off by HF_HUB_OFFLINE"):
        WeightsStore().find(weights)
    assert not publisher.asked


def test_a_name_nobody_publishes_is_not_asked_of_the_network(monkeypatch):
    import huggingface_hub

    from affect_pipe.extractors.weights.catalogue import ENCODER, wanted

    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    with pytest.raises(MissingWeightsError, match="affect-pipe models add my-encoder PATH"):
        WeightsStore().find(wanted("my-encoder", ENCODER))


def test_a_store_that_cannot_be_written_is_told(publisher, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    store = WeightsStore(tmp_path / "file" / "models")
    with pytest.raises(AffectPipeError, match="AFFECT_PIPE_MODELS"):
        store.find(publisher.publish("net", CONTENT))


def test_files_of_a_hub_repository_are_found_in_its_cache(tmp_path, monkeypatch):
    """The layout is the hub client's own: blobs, and links to them in a snapshot."""
    from huggingface_hub import constants

    from affect_pipe.extractors.weights.catalogue import CATALOGUE

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    commit = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    # An id that the repository had in former days.
    repository = tmp_path / "hub" / "models--bert-base-uncased"
    snapshot = repository / "snapshots" / commit
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "blobs").mkdir()
    snapshot.mkdir(parents=True)
    for i, name in enumerate(("config.json", "model.safetensors")):
        (repository / "blobs" / str(i)).write_bytes(b"x")
        (snapshot / name).symlink_to(repository / "blobs" / str(i))
    store, weights = WeightsStore(), CATALOGUE["bert-base-uncased"]
    assert store.look(weights) == snapshot
    (snapshot / "model.safetensors").unlink()
    assert store.look(weights) is None
