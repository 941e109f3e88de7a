"""MMSA feature files through a script that loads them as MMSA does, and through our own reader."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from affect_pipe.extractors.text.bert_tokens import BertTokens
from affect_pipe.fusion.datasets.label_rows import LabelRow
from affect_pipe.fusion.datasets.mmsa import read_mmsa
from affect_pipe.fusion.datasets.mmsa_file import Clip, labels_of, mmsa_bytes
from affect_pipe.pipeline.errors import UsageError

STEPS = {"text": 4, "acoustic": 6, "visual": 5}
DIMS = {"text": 3, "acoustic": 2, "visual": 4}


def clip(video, segment, split, label=1.5, steps=(2, 3, 1), text="I like it"):
    rng = np.random.default_rng(len(video) + int(segment))
    sequences = {
        m: rng.uniform(0.5, 1.5, (n, DIMS[m])).astype(np.float32)
        for m, n in zip(DIMS, steps, strict=True)
    }
    return Clip(video, segment, text, label, int(np.sign(label)) + 1, split, sequences)


CLIPS = [
    clip("a", "0", "train"),
    # Longer than the file's sequences, and without any face.
    clip("a", "10", "train", -2.0, (9, 9, 0)),
    clip("b", "0", "dev", 0.0),
    clip("c", "0", "test", 3.0),
    clip("c", "1", "test", -0.4),
]


class AsMmsaLoads(torch.utils.data.Dataset):
    """What MMSA's loader asks of a file, in our words: casts, lengths, labels, shapes."""

    def __init__(self, path, mode, *, use_bert, aligned=False):
        with open(path, "rb") as file:
            content = pickle.load(file)
        part = content[mode]
        self.text = part["text_bert" if use_bert else "text"].astype(np.float32)
        self.vision = part["vision"].astype(np.float32)
        self.audio = part["audio"].astype(np.float32)
        self.raw_text, self.ids = part["raw_text"], part["id"]
        self.labels = np.array(part["regression_labels"]).astype(np.float32)
        if not aligned:
            self.audio_lengths = part["audio_lengths"]
            self.vision_lengths = part["vision_lengths"]
        self.audio[self.audio == -np.inf] = 0
        self.use_bert = use_bert

    def seq_lens(self):
        text = self.text.shape[2] if self.use_bert else self.text.shape[1]
        return text, self.audio.shape[1], self.vision.shape[1]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {
            "raw_text": self.raw_text[index],
            "text": torch.Tensor(self.text[index]),
            "audio": torch.Tensor(self.audio[index]),
            "vision": torch.Tensor(self.vision[index]),
            "id": self.ids[index],
            "labels": torch.Tensor(self.labels[index].reshape(-1)),
            "audio_lengths": self.audio_lengths[index],
            "vision_lengths": self.vision_lengths[index],
        }


@pytest.fixture(scope="module")
def tokens():
    return BertTokens()


@pytest.fixture
def path(tmp_path, tokens):
    path = tmp_path / "mmsa_unaligned.pkl"
    path.write_bytes(mmsa_bytes(CLIPS, STEPS, tokens))
    return path


@pytest.mark.parametrize("use_bert", [False, True])
def test_it_loads_in_batches_as_mmsa_loads_it(path, use_bert):
    seen = []
    for mode in ("train", "valid", "test"):
        dataset = AsMmsaLoads(path, mode, use_bert=use_bert)
        # All splits have sequences of one length, as models take theirs from train.
        assert dataset.seq_lens() == (4, 6, 1)
        for batch in torch.utils.data.DataLoader(dataset, batch_size=2, shuffle=True):
            assert batch["labels"].shape == (len(batch["id"]), 1)
            assert batch["text"].shape[1:] == ((3, 4) if use_bert else (4, 3))
            # Self-MM packs both: lengths from 1 to the sequence's own.
            for key, lengths in (("audio", "audio_lengths"), ("vision", "vision_lengths")):
                packed = torch.nn.utils.rnn.pack_padded_sequence(
                    batch[key], batch[lengths], batch_first=True, enforce_sorted=False
                )
                assert torch.isfinite(packed.data).all()
            seen += batch["id"]
    assert sorted(seen) == ["a$_$0", "a$_$10", "b$_$0", "c$_$0", "c$_$1"]


def test_sequences_are_padded_behind_and_cut(path):
    train = AsMmsaLoads(path, "train", use_bert=False)
    assert train.audio_lengths == [3, 6]
    assert train.vision_lengths == [1, 1]
    np.testing.assert_array_equal(train.audio[0, :3], CLIPS[0].sequences["acoustic"])
    assert not train.audio[0, 3:].any()
    np.testing.assert_array_equal(train.audio[1], CLIPS[1].sequences["acoustic"][:6])
    assert not train.vision[1].any()


def test_the_tokens_are_berts(tokens):
    # The ids that bert-base-uncased's published vocabulary has for these words.
    assert tokens(["hello world"], 6)[0].tolist() == [
        [101, 7592, 2088, 102, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0] * 6,
    ]
    assert tokens(["hello world"], 3)[0, 0].tolist() == [101, 7592, 102]
    assert tokens.count("hello world") == 4


def test_our_restricted_reader_reads_it_back(path):
    found = read_mmsa(path)
    assert {split: len(part) for split, part in found.dialogues.items()} == {
        "train": 1,
        "dev": 1,
        "test": 1,
    }
    (dialogue,) = found.dialogues["train"]
    np.testing.assert_allclose(dialogue.targets["sentiment_intensity"][:, 0], [0.5, -2 / 3])
    np.testing.assert_allclose(
        dialogue.features["acoustic"][0], CLIPS[0].sequences["acoustic"].mean(axis=0), rtol=1e-6
    )
    assert dialogue.present[1].tolist() == [True, True, False]


def test_the_same_clips_give_the_same_bytes(tokens):
    again = [clip("a", "0", "train"), *CLIPS[1:]]
    assert mmsa_bytes(CLIPS, STEPS, tokens) == mmsa_bytes(again, STEPS, tokens)


def test_an_empty_split_is_refused_for_mmsa_opens_all_three():
    with pytest.raises(UsageError, match="valid, test would have none"):
        mmsa_bytes(CLIPS[:2], STEPS)


def row(sentiment=None, sentiment_class=None):
    return LabelRow(1, "v", "s", (0.0, ""), sentiment=sentiment, sentiment_class=sentiment_class)


def test_labels_are_intensities_or_else_classes():
    assert labels_of([row(-1.5), row(0.0), row(None, 2), row(0.5, 0)]) == (
        [(-1.5, 0), (0.0, 1), None, (0.5, 0)],
        "1 segments without a sentiment intensity are left out",
    )
    found, told = labels_of([row(None, 2), row()])
    assert found == [(1.0, 2), None]
    assert "-1, 0 and 1" in told
    with pytest.raises(UsageError, match="needs sentiment"):
        labels_of([row()])
