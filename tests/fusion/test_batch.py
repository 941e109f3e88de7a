from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.batch import Dialogue, collate

DIMS = {"text": 2, "visual": 3}


def made(n, **fields):
    features = {"text": np.full((n, 2), n, np.float32)}
    present = np.tile([True, False, False], (n, 1))
    return Dialogue(
        **{"id": str(n), "corpus": "c", "features": features, "present": present, **fields}
    )


def test_collate_pads_and_masks():
    targets = {
        "sentiment_class": np.float32([2, np.nan]),
        "emotion_class": np.float32([[1, 0, 0, 0, 0, 0, np.nan]] * 2),
    }
    batch = collate(
        [made(1), made(2, targets=targets, weights=np.float32([3, 4]))],
        DIMS,
        tasks=("sentiment_class", "emotion_class"),
    )
    assert batch.ids == ("1", "2")
    assert batch.utterance_mask.tolist() == [[True, False], [True, True]]
    assert batch.features["text"].tolist() == [[[1, 1], [0, 0]], [[2, 2], [2, 2]]]
    assert batch.features["visual"].shape == (2, 2, 3)
    assert not batch.features["visual"].any()
    assert batch.modality_mask[..., 0].tolist() == [[True, False], [True, True]]
    assert not batch.modality_mask[..., 1:].any()
    assert batch.targets["sentiment_class"][..., 0].tolist() == [[0, 0], [2, 0]]
    assert batch.target_masks["sentiment_class"][..., 0].tolist() == [[False, False], [True, False]]
    assert batch.target_masks["emotion_class"][1].tolist() == [[True] * 6 + [False]] * 2
    assert batch.weights.tolist() == [[1, 0], [3, 4]]


def test_a_label_without_any_modality_of_the_model_teaches_nothing():
    dialogue = made(2, targets={"sentiment_intensity": np.float32([0.5, 0.5])})
    hidden = dialogue.without(np.array([[True, True, True], [False, False, False]]))
    batch = collate([hidden], DIMS, tasks=("sentiment_intensity",))
    assert batch.target_masks["sentiment_intensity"][0, :, 0].tolist() == [False, True]
    batch = collate([dialogue], {"visual": 3}, tasks=("sentiment_intensity",))
    assert not batch.target_masks["sentiment_intensity"].any()
    assert not batch.modality_mask.any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"present": np.ones((2, 2), bool)}, "present must be bool"),
        ({"present": np.ones((2, 3), bool)}, "acoustic present without vectors"),
        ({"features": {"text": np.ones((3, 2), np.float32)}}, r"text must be float32 \[2, d\]"),
        ({"features": {"text": np.ones((2, 2))}}, "got float64"),
        ({"targets": {"emotion_class": np.zeros((2, 6), np.float32)}}, r"must be \[2, 7\]"),
        ({"weights": np.ones(3, np.float32)}, "weights must be"),
    ],
)
def test_a_dialogue_checks_its_arrays(fields, message):
    with pytest.raises(ValueError, match=message):
        made(2, **fields)


def test_collate_refuses_vectors_of_another_width():
    with pytest.raises(ValueError, match="2 wide, the model's are 4"):
        collate([made(2)], {"text": 4})
