"""Pairing voices and faces with lines of the same emotion: what must hold of every draw."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.fusion.datasets import fer2013, meld, ravdess
from affect_pipe.fusion.recipes.starter_features import Loader, mishear_all
from affect_pipe.fusion.recipes.starter_mixture import (
    Mixture,
    MixtureSettings,
    TrainingCorpora,
    cut,
)
from affect_pipe.fusion.recipes.starter_pairing import SUBSETS, Pairer, only, thin
from affect_pipe.fusion.recipes.starter_store import FeatureStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import MODALITIES

sys.path.insert(0, str(Path(__file__).parent))
from starter_corpora import CountingEncoders, write_corpora


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    return write_corpora(tmp_path_factory.mktemp("corpora"), ("train", "dev", "test"))


def loaded(corpora, split="train"):
    store = FeatureStore(None)
    return Loader(corpora, CountingEncoders().encoders(), store, lambda line: None).load(
        split, True
    )


@pytest.fixture(scope="module")
def train(corpora):
    return loaded(corpora)


def pairer_of(data):
    return Pairer(data.meld, data.ravdess, data.fer2013)


@pytest.mark.parametrize("seed", range(5))
def test_emotions_agree_and_an_actor_speaks_for_a_speaker(train, seed):
    pairing = pairer_of(train).draw(np.random.default_rng(seed))
    emotions = train.meld.targets["emotion_class"].argmax(axis=1)
    np.testing.assert_array_equal(train.ravdess.emotions[pairing.clips], emotions)
    np.testing.assert_array_equal(train.fer2013.emotions[pairing.faces], emotions)
    assert train.fer2013.found[pairing.view][pairing.faces].all()
    for rows in train.meld.sequences:
        cast = {}
        for row in rows:
            actor = int(train.ravdess.actors[pairing.clips[row]])
            assert cast.setdefault(train.meld.speakers[row], actor) == actor
        # Three speakers, three actors: nobody needs to play two.
        assert len(set(cast.values())) == len(cast) == 3


def test_actors_change_with_the_draw(train):
    pairer = pairer_of(train)
    draws = [pairer.draw(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0].clips, draws[1].clips)
    np.testing.assert_array_equal(draws[0].faces, draws[1].faces)
    assert (draws[0].clips != draws[2].clips).any()


def test_paired_vectors_are_the_drawn_ones(train):
    pairer = pairer_of(train)
    pairing = pairer.draw(np.random.default_rng(4))
    rows = train.meld.sequences[2]
    dialogue = pairer.dialogues(pairing)[2]
    np.testing.assert_array_equal(dialogue.features["text"], train.meld.vectors[rows])
    # The made acoustic vector starts with the emotion, intensity... of the clip's own name.
    strong = dialogue.features["acoustic"][:, 1] == 2
    degree = dialogue.targets["emotion_intensity"]
    labels = dialogue.targets["emotion_class"][:, :6]
    np.testing.assert_allclose(
        degree.max(axis=1)[labels.any(axis=1)],
        np.where(strong, 1, 2 / 3)[labels.any(axis=1)],
        atol=1e-6,
    )
    assert not degree[labels == 0].any()


def test_no_item_of_dev_or_test_is_in_training(corpora, train):
    assert set(train.ravdess.actors.tolist()) <= set(ravdess.ACTORS["train"])
    for split in ("dev", "test"):
        other = loaded(corpora, split)
        assert not set(train.ravdess.actors.tolist()) & set(other.ravdess.actors.tolist())
        ours = {d.texts for d in _mosi_texts(corpora, "train")}
        assert not ours & {d.texts for d in _mosi_texts(corpora, "test")}
        lines = {u.text for d in meld.read(corpora, "train") for u in d.utterances}
        assert not lines & {u.text for d in meld.read(corpora, split) for u in d.utterances}
        faces = {image.tobytes() for image in fer2013.read(corpora, "train").images}
        assert not faces & {image.tobytes() for image in fer2013.read(corpora, split).images}


def _mosi_texts(corpora, split):
    from affect_pipe.fusion.datasets import mosi

    return mosi.read(corpora, split)


def test_an_actor_without_an_emotion_cannot_be_paired(tmp_path):
    write_corpora(tmp_path, ("train",))
    for clip in (tmp_path / "ravdess/Actor_02").glob("03-01-06-*"):
        clip.unlink()
    with pytest.raises(UsageError, match=r"'fear'.*\[2\]"):
        pairer_of(loaded(tmp_path))


@pytest.mark.parametrize("subset", SUBSETS)
def test_only_keeps_the_subset(train, subset):
    pairer = pairer_of(train)
    dialogue = pairer.dialogues(pairer.draw(np.random.default_rng(0)))[0]
    present = only(dialogue, subset).present
    assert (present == np.array([m in subset for m in MODALITIES])).all()


def test_thinning_leaves_every_utterance_something(train):
    pairer = pairer_of(train)
    dialogues = pairer.dialogues(pairer.draw(np.random.default_rng(0)))
    rng = np.random.default_rng(1)
    thinned = [thin(d, rng, 0.2, 0.5) for _ in range(50) for d in dialogues]
    assert all(d.present.any(axis=1).all() for d in thinned)
    assert {tuple(row) for d in thinned for row in d.present} == {
        tuple(m in subset for m in MODALITIES) for subset in SUBSETS
    }


def test_epochs_follow_their_generator(train):
    corpora = TrainingCorpora(
        train.meld, train.mosi, train.sst5, train.goemotions, train.ravdess, train.fer2013
    )
    mixture = Mixture(corpora, MixtureSettings(n_goemotions=5, n_faces=10, cut_share=0.0))
    one, same, other = (mixture.epoch(1, np.random.default_rng(s)) for s in (7, 7, 8))
    assert [d.id for d in one] == [d.id for d in same]
    assert all((a.present == b.present).all() for a, b in zip(one, same, strict=True))
    assert [d.id for d in one] != [d.id for d in other]
    counts = {name: sum(d.corpus == name for d in one) for name in {d.corpus for d in one}}
    # 27 of 28 faces are found; ten are drawn, half of them mirrored.
    assert {k: counts[k] for k in counts if k != "ravdess"} == {
        "paired": 4,
        "meld": 4,
        "mosi": 2,
        "sst5": 20,
        "goemotions": 5,
        "fer2013": 10,
    }
    clips = sum(len(d) for d in one if d.corpus == "ravdess")
    assert clips == 2 * len(train.ravdess)


def test_cutting_loses_nothing(train):
    whole = train.meld.dialogues() * 20
    parts = cut(whole, 0.5, np.random.default_rng(3))
    assert len(whole) * 1.2 < len(parts) < len(whole) * 1.8
    assert min(len(d) for d in parts) >= 1
    for field in ("features", "targets"):
        for name in getattr(whole[0], field):
            before, after = (
                np.concatenate([getattr(d, field)[name] for d in dialogues])
                for dialogues in (whole, parts)
            )
            np.testing.assert_array_equal(before, after)
    assert cut(whole, 0.0, np.random.default_rng(3)) == whole


def test_misheard_texts_keep_something_and_follow_their_seed():
    texts = ["nobody was so very late again", "good", "the cat is right"] * 30
    heard = mishear_all(texts, (0.4, 0.4), 3)
    assert heard == mishear_all(texts, (0.4, 0.4), 3)
    assert heard != mishear_all(texts, (0.4, 0.4), 4)
    assert all(text.split() for text in heard)
    assert mishear_all(texts, (0.0, 0.0), 3) == texts
    kept = np.mean(
        [
            len(set(a.split()) & set(b.split())) / len(set(a.split()))
            for a, b in zip(texts, heard, strict=True)
        ]
    )
    # 40 % of words damaged; an inserted word leaves the one before it, so a little more is kept.
    assert 0.5 < kept < 0.8
