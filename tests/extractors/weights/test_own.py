"""The user's own files in the store, what is published, and how the two are told apart."""

import re

import pytest

from affect_pipe.extractors.registry import FEATURES, build
from affect_pipe.extractors.weights.catalogue import CATALOGUE, ENCODER, release_of, wanted
from affect_pipe.extractors.weights.needs import NeedsWeights
from affect_pipe.extractors.weights.own import add, remove, verify
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.fingerprint import digest_file


def test_files_added_by_hand_are_found_by_name(encoder):
    store = WeightsStore()
    weights = wanted("my-encoder", ENCODER)
    assert add(store, "my-encoder", encoder) == store.find(weights)
    assert store.digest(weights, "model.safetensors") == digest_file(encoder / "model.safetensors")
    both = store.digest(weights, "model.safetensors", "config.json")
    assert both == store.digest(weights, "config.json", "model.safetensors")
    assert both != store.digest(weights, "config.json")


def test_what_an_extractor_cannot_load_is_missing(encoder):
    (encoder / "config.json").unlink()
    store = WeightsStore()
    add(store, "my-encoder", encoder)
    with pytest.raises(MissingWeightsError, match=r"config\.json is not in"):
        store.find(wanted("my-encoder", ENCODER))


def test_links_follow_the_files_and_removing_them_leaves_the_files(encoder):
    store = WeightsStore()
    folder = add(store, "lab/linked", encoder, link=True)
    assert folder.name == "lab--linked"
    (encoder / "config.json").write_text("changed")
    assert (folder / "config.json").read_text() == "changed"
    assert verify(store, wanted("lab/linked")).problems == ("config.json has another SHA-256",)
    remove(store, "lab/linked")
    assert (encoder / "config.json").exists()
    with pytest.raises(UsageError, match="there is no 'lab/linked'"):
        remove(store, "lab/linked")


def test_a_file_of_published_weights_must_be_the_published_one(tmp_path):
    (tmp_path / "base.pt").write_bytes(b"something else")
    with pytest.raises(UsageError, match=r"base\.pt .* is not the published file"):
        add(WeightsStore(), "whisper-base", tmp_path / "base.pt")
    with pytest.raises(UsageError, match=r"no config\.json, model\.safetensors"):
        add(WeightsStore(), "roberta-base", tmp_path / "base.pt")


def test_a_taken_name_and_nothing_to_add(encoder, tmp_path):
    store = WeightsStore()
    add(store, "mine", encoder)
    with pytest.raises(UsageError, match="there already"):
        add(store, "mine", encoder)
    (encoder / "empty.txt").unlink()
    assert not (add(store, "mine", encoder, replace=True) / "empty.txt").exists()
    (tmp_path / "nothing").mkdir()
    for path, why in ((tmp_path / "nothing", "0 files"), (tmp_path / "nowhere", "no file or")):
        with pytest.raises(UsageError, match=why):
            add(store, "other", path)
    for name in ("../up", "a b", "", ".x", "x/../y"):
        with pytest.raises(UsageError, match="cannot be the name"):
            add(store, name, encoder)


def test_damage_is_found(encoder):
    store = WeightsStore()
    folder = add(store, "mine", encoder)
    assert verify(store, wanted("mine")).problems == ()
    (folder / "model.safetensors").write_bytes(b"short")
    (folder / "empty.txt").unlink()
    assert verify(store, wanted("mine")).problems == (
        "empty.txt is missing",
        "model.safetensors has another SHA-256",
    )
    (folder / ".affect-pipe.json").write_text("{")
    assert any("no sound" in problem for problem in verify(store, wanted("mine")).problems)


def test_whisper_finds_its_weights_in_the_store(tmp_path, monkeypatch):
    """As `models load` leaves them, under the name the whisper package gives them too."""
    from affect_pipe.extractors.speech.whisper_weights import SIZES, stored_name, weights_available

    assert weights_available("turbo") is None
    for size, name in SIZES.items():
        assert [f.name for f in CATALOGUE[stored_name(size)].files] == [name]
        folder = WeightsStore().folder(CATALOGUE[stored_name(size)])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"weights")
        assert weights_available(size) == folder / name


def test_whisper_rows_are_those_of_the_package():
    import whisper

    for size, url in whisper._MODELS.items():
        (file,) = wanted(f"whisper-{size}").files
        assert (file.url, file.sha256) == (url, url.split("/")[-2])


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=list(CATALOGUE))
def test_rows_say_where_they_come_from(row):
    assert row.page.startswith("https://")
    assert row.about
    assert row.used_by
    for file in row.files:
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.url is None or file.url.startswith("https://")
        prefix = re.search(r"-([0-9a-f]{8})\.pth", file.name)
        # torch hub's file names begin their SHA-256.
        assert prefix is None or file.sha256 is None or file.sha256.startswith(prefix[1])


@pytest.mark.parametrize("feature", FEATURES)
def test_features_with_published_weights_say_which(feature):
    rows = {row.name for row in CATALOGUE.values() if feature in row.used_by}
    if not rows:
        pytest.skip("it loads no published weights")
    extractor = build(feature)
    assert isinstance(extractor, NeedsWeights)
    assert {weights.name for weights in extractor.weights()} & rows


def test_a_table_of_word_vectors_stands_for_its_archive():
    assert release_of("glove.6B.300d").name == "glove.6B"
    assert release_of("glove.840B.300d").name == "glove.840B.300d"
    assert release_of("my.300d") is None
