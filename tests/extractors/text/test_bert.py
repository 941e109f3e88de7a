"""Encoders in the real format against transformers used directly, and the windows of long texts."""

import importlib.util
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect_pipe.extractors.registry import build
from affect_pipe.extractors.text.bert import BERT, word_vectors
from affect_pipe.extractors.text.minilm import MiniLM
from affect_pipe.extractors.text.windows import EncodedText
from affect_pipe.extractors.weights.own import add
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.extractors.weights.unchanged import ChangedWeightsError
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.records import Utterance, Word

_spec = importlib.util.spec_from_file_location("encoders", Path(__file__).with_name("encoders.py"))
encoders = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(encoders)

# Texts are padded to the longest of their batch; float32 sums then differ in the last bits.
SAME = 5e-6
WORDS = ["Well-known", "people", "don't", "say", "\u00dcberraschung,", "wonderful!"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(family):
        if family not in made:
            made[family] = encoders.FAMILIES[family](tmp_path_factory.mktemp(family) / "model")
        return made[family]

    return folder


def utterance(words, index=0, start_s=0.0):
    made = tuple(Word(w, start_s + i, start_s + i + 0.5, 0.5) for i, w in enumerate(words))
    return Utterance(index, start_s, start_s + len(words) + 1, " ".join(words), made)


class Direct:
    """One text at a time through transformers in float64, places by its own look-up."""

    def __init__(self, folder, layers):
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).double().eval()
        self.layers = layers

    def states(self, ids):
        import torch

        with torch.inference_mode():
            states = self.model(
                input_ids=torch.tensor([ids]), output_hidden_states=True
            ).hidden_states
        return sum(states[layer][0] for layer in self.layers).numpy()

    def words(self, words):
        """Each pre-token of the tokeniser belongs to the word in which it ends."""
        text = " ".join(words)
        encoded = self.tokenizer(text)
        states = self.states(encoded["input_ids"])
        ends = np.cumsum([len(word) + 1 for word in words])
        own = [[] for _ in words]
        for token, number in enumerate(encoded.word_ids()):
            if number is not None:
                last = max(encoded.word_to_chars(number).end - 1, 0)
                own[int((ends > last).argmax())].append(states[token])
        return np.array([np.mean(rows, axis=0) for rows in own])

    def tokens(self, text):
        encoded = self.tokenizer(text, return_special_tokens_mask=True)
        inner = [not special for special in encoded["special_tokens_mask"]]
        return self.states(encoded["input_ids"])[inner]


@pytest.mark.parametrize("family", encoders.FAMILIES)
@pytest.mark.parametrize(
    ("layers", "numbers"), [("last", [4]), ("last4", [1, 2, 3, 4]), ([0, 3], [0, 3])]
)
def test_words_agree_with_transformers(folders, family, layers, numbers):
    folder = folders(family)
    expected = Direct(folder, numbers).words(WORDS[:4])
    bert = BERT(model="tiny", layers=layers, folder=folder)
    others = [utterance(["it", "was", "late"], 1, 20), utterance(["say"], 2, 30)]
    table = bert.frame_table(None, [utterance(WORDS[:4]), *others])
    np.testing.assert_allclose(table.values[:4], expected, atol=SAME)
    block = bert.extract(None, [utterance(WORDS[:4]), *others])
    np.testing.assert_allclose(block.values[0], expected.mean(axis=0), atol=SAME)
    np.testing.assert_allclose(
        block.values[1], table.values[4:7].mean(axis=0, dtype=np.float64), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("family", encoders.FAMILIES)
def test_other_poolings_agree_with_transformers(folders, family):
    folder, text = folders(family), " ".join(WORDS[:4])
    direct = Direct(folder, [4])
    said = [utterance(WORDS[:4])]
    mean = BERT(layers="last", pooling="mean", folder=folder).extract(None, said)
    np.testing.assert_allclose(mean.values[0], direct.tokens(text).mean(axis=0), atol=SAME)
    cls = BERT(layers="last", pooling="cls", folder=folder).extract(None, said)
    first = direct.states(direct.tokenizer(text)["input_ids"])[0]
    np.testing.assert_allclose(cls.values[0], first, atol=SAME)


@pytest.mark.parametrize("family", encoders.FAMILIES)
@pytest.mark.parametrize("n_words", [1, 6, 11, 12, 13, 40])
def test_long_texts_lose_nothing(folders, family, n_words):
    """Every token is there once, from the window in which it is farthest from a cut."""
    folder = folders(family)
    words = [WORDS[i % len(WORDS)] for i in range(n_words)]
    text = " ".join(words)
    direct = Direct(folder, [4])
    inner = direct.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    encoded = BERT(layers="last", folder=folder).encode([text])[0]
    assert len(encoded.spans) == len(inner["input_ids"])
    for (start, end), span in zip(inner["offset_mapping"], encoded.spans.tolist(), strict=True):
        assert span == [start, end] or not text[start:end].strip()

    ids = inner["input_ids"]
    first, last = direct.tokenizer.cls_token_id, direct.tokenizer.sep_token_id
    room = 22  # All four take 24 tokens, of which two are special.
    best = {}
    begin = 0
    while True:
        window = ids[begin : begin + room]
        states = direct.states([first, *window, last])[1:-1]
        for i, state in enumerate(states):
            left = np.inf if begin == 0 else i
            right = np.inf if begin + len(window) == len(ids) else len(window) - 1 - i
            if min(left, right) > best.get(begin + i, (-1, None))[0]:
                best[begin + i] = (min(left, right), state)
        if begin + len(window) >= len(ids):
            break
        begin += room // 2
    np.testing.assert_allclose(encoded.tokens, [best[i][1] for i in range(len(ids))], atol=SAME)


def test_windows_are_told_in_the_quality(folders):
    bert = BERT(folder=folders("bert"))
    block = bert.extract(
        None, [utterance(WORDS * 10), utterance(["late"], 1, 70), Utterance(2, 80, 81, "")]
    )
    assert block.quality["windows"][0] > 2
    assert block.quality["windows"][1] == 1
    assert np.isnan(block.quality["windows"][2])
    assert block.reasons == (None, None, "no words")
    assert block.quality["asr_confidence"][0] == 0.5


def test_shorter_windows_on_request(folders):
    folder = folders("bert")
    text = " ".join(WORDS)
    long, short = (BERT(max_tokens=n, folder=folder).encode([text])[0] for n in (512, 10))
    assert short.n_windows > long.n_windows
    assert short.spans.tolist() == long.spans.tolist()


def test_the_same_bytes_again(folders):
    said = [utterance(WORDS * k, k, 100.0 * k) for k in range(1, 8)]
    first, second = (BERT(folder=folders("roberta")).extract(None, said) for _ in range(2))
    assert first.values.tobytes() == second.values.tobytes()


def test_words_of_several_speakers_are_in_order(folders):
    said = [utterance(["it", "was", "late"]), utterance(["say", "it"], 1, 1.2)]
    table = BERT(folder=folders("bert")).frame_table(None, said)
    assert table.labels["word"] == ("it", "was", "say", "late", "it")
    assert table.labels["utterance"] == (0, 0, 1, 0, 1)
    assert table.time_s.tolist() == [0, 1, 1.2, 2, 2.2]


def test_a_word_that_is_no_token_has_no_vector(folders):
    words = ["late", "\u200b\u200e", "say"]
    bert = BERT(folder=folders("bert"))
    table = bert.frame_table(None, [utterance(words)])
    assert np.isfinite(table.values).all(axis=1).tolist() == [True, False, True]
    alone = bert.extract(None, [utterance(["\u200b\u200e"])])
    assert "finds no token" in alone.reasons[0]


def test_scripts_without_spaces_keep_their_words(folders):
    words = (Word("\u4eca", 0, 1), Word("\u65e5", 1, 2), Word("late", 2, 3))
    said = Utterance(0, 0, 3, "\u4eca\u65e5 late", words)
    table = BERT(folder=folders("roberta")).frame_table(None, [said])
    direct = Direct(folders("roberta"), [1, 2, 3, 4])
    encoded = direct.tokenizer(said.text)
    states = direct.states(encoded["input_ids"])
    for row, char in enumerate((0, 1)):
        at = [
            i for i in range(len(states)) if (span := encoded.token_to_chars(i)) is not None
            and span.start <= char < span.end
        ]  # fmt: skip
        np.testing.assert_allclose(table.values[row], states[at].mean(axis=0), atol=SAME)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_pooling_sub_words(sizes, seed):
    """Words that share the tokens out among them: their means weigh up to the mean of all."""
    random = np.random.default_rng(seed)
    n = sum(sizes)
    tokens = random.normal(0, 1, (n, 3)).astype(np.float32)
    # Tokens of one to three characters, a space after each word's last.
    widths = random.integers(1, 4, n)
    token_spans, word_spans, at = [], [], 0
    for size in sizes:
        begin = at
        for _ in range(size):
            token_spans.append((at, at + int(widths[len(token_spans)])))
            at = token_spans[-1][1]
        word_spans.append((begin, at))
        at += 1
    encoded = EncodedText(tokens, np.array(token_spans), None, 1)
    found = word_vectors(encoded, np.array(word_spans))
    weighed = (found * np.array(sizes)[:, None]).sum(axis=0) / n
    np.testing.assert_allclose(weighed, tokens.mean(axis=0, dtype=np.float64), atol=1e-5)
    for row, (size, end) in enumerate(zip(sizes, np.cumsum(sizes), strict=True)):
        own = tokens[end - size : end]
        assert (found[row] >= own.min(axis=0) - 1e-6).all()
        assert (found[row] <= own.max(axis=0) + 1e-6).all()
        if size == 1:
            np.testing.assert_array_equal(found[row], own[0])


def test_the_spec_rebuilds_the_extractor(folders, models):
    models.mkdir(exist_ok=True)
    (models / "my-encoder").symlink_to(folders("bert"))
    bert = BERT("my-encoder", layers=[4, 2], pooling="mean", max_tokens=16)
    spec = bert.spec()
    assert (spec.dim, spec.columns[-1], spec.model_id) == (16, "bert_015", "my-encoder")
    assert spec.settings == {
        "model": "my-encoder", "layers": [2, 4], "pooling": "mean", "max_tokens": 16,
    }  # fmt: skip
    assert build(spec.name, spec.settings).spec() == spec
    assert not spec.compatible_with(BERT("my-encoder").spec())
    assert [w.name for w in bert.weights()] == ["my-encoder"]
    assert [w.hub for w in BERT().weights()] == ["google-bert/bert-base-uncased"]


@pytest.mark.parametrize("harm", ["longer", "same size", "one more"])
def test_files_that_changed_in_the_store_are_refused(folders, tmp_path, harm):
    given = shutil.copytree(folders("bert"), tmp_path / "given")
    folder = add(WeightsStore(), "my-encoder", given)
    spec = BERT("my-encoder").spec()
    assert BERT("my-encoder").spec() == spec
    path, data = folder / "config.json", (folder / "config.json").read_bytes()
    if harm == "longer":
        path.write_bytes(data + b"x\n")
    elif harm == "same size":
        path.write_bytes(data[:-1] + b" ")
    else:
        (folder / "added_tokens.json").write_text("{}")
    with pytest.raises(ChangedWeightsError, match=r"models verify my-encoder.*load.*--replace"):
        BERT("my-encoder").spec()
    add(WeightsStore(), "my-encoder", given, replace=True)
    assert BERT("my-encoder").spec() == spec


def test_without_a_record_files_are_taken_as_they_are(folders):
    folder = add(WeightsStore(), "my-encoder", folders("bert"))
    spec = BERT("my-encoder").spec()
    (folder / ".affect-pipe.json").unlink()
    path = folder / "config.json"
    path.write_bytes(path.read_bytes() + b"\n")
    assert BERT("my-encoder").spec().weights_digest != spec.weights_digest


def test_the_spec_loads_no_library(folders):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from affect_pipe.extractors.text.bert import BERT; "
        f"BERT(folder=Path({str(folders('bert'))!r})).spec(); "
        "print({'torch', 'transformers'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_new_tokeniser_is_another_model(folders, tmp_path):
    shutil.copytree(folders("bert"), tmp_path / "m")
    before = BERT(folder=tmp_path / "m").spec().weights_digest
    path = tmp_path / "m" / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    assert BERT(folder=tmp_path / "m").spec().weights_digest != before


def test_pickled_tensors_give_the_same_numbers(folders, tmp_path):
    import torch
    from safetensors.torch import load_file

    shutil.copytree(folders("bert"), tmp_path / "m")
    safe = tmp_path / "m" / "model.safetensors"
    torch.save(load_file(safe), tmp_path / "m" / "pytorch_model.bin")
    safe.unlink()
    said = [utterance(WORDS)]
    expected = BERT(folder=folders("bert")).extract(None, said).values
    np.testing.assert_array_equal(BERT(folder=tmp_path / "m").extract(None, said).values, expected)


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def test_pickled_code_is_not_run(folders, tmp_path):
    shutil.copytree(folders("bert"), tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(pickle.dumps(_Touch(tmp_path / "run")))
    with pytest.raises(UsageError, match="cannot be loaded as a Hugging Face encoder"):
        BERT(folder=tmp_path / "m").encode(["late"])
    assert not (tmp_path / "run").exists()


def test_code_of_the_folder_is_not_run(folders, tmp_path):
    shutil.copytree(folders("bert"), tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config |= {
        "model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"},
    }  # fmt: skip
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    (tmp_path / "m" / "own.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\n")
    with pytest.raises(UsageError, match="cannot be loaded as a Hugging Face encoder"):
        BERT(folder=tmp_path / "m").encode(["late"])
    assert not (tmp_path / "run").exists()


def test_weights_that_lack_a_layer_are_refused(folders, tmp_path):
    """The library would fill the layer with random numbers, other ones each time."""
    shutil.copytree(folders("bert"), tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 5}))
    with pytest.raises(
        UsageError, match=r"lack 16 of the model's tensors, such as encoder.layer.4"
    ):
        BERT(folder=tmp_path / "m").encode(["late"])


def test_a_model_that_writes_is_refused(tmp_path):
    from transformers import T5Config, T5Model

    encoders.save_bert(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    T5Model(
        T5Config(vocab_size=120, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    ).save_pretrained(tmp_path / "m")
    with pytest.raises(UsageError, match="takes encoders such as BERT"):
        BERT(folder=tmp_path / "m").encode(["late"])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"layers": []}, "one or more different numbers"),
        ({"layers": [1, 1]}, "one or more different numbers"),
        ({"layers": "first"}, "layers is 'first': expected last, last4 or numbers"),
        ({"pooling": "max"}, "pooling is 'max': expected one of words, mean, cls"),
        ({"max_tokens": 3}, "max_tokens is 3: expected 8 or more"),
        ({"model": "../m"}, "cannot be the name of weights"),
    ],
)
def test_settings_that_cannot_be(change, match):
    with pytest.raises(UsageError, match=match):
        BERT(**change)


def test_layers_the_model_does_not_have(folders, tmp_path):
    with pytest.raises(UsageError, match=r"layers \(5,\) of .*: it has 4"):
        BERT(layers=[5], folder=folders("bert")).encode(["late"])
    small = encoders.save_bert(tmp_path / "small", n_layers=3)
    with pytest.raises(UsageError, match=r"'last4' of .*: it has 3"):
        BERT(folder=small).encode(["late"])


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(UsageError, match="is no Hugging Face model folder"):
        BERT(folder=tmp_path).spec()
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(UsageError, match="holds no settings"):
        BERT(folder=tmp_path).spec()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="gives no width"):
        BERT(folder=tmp_path).spec()


@pytest.mark.parametrize("model", ["bert-base-uncased", "some/encoder"])
def test_no_weights_says_both_ways_to_get_them(model, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(MissingWeightsError, match=f"{model}.*models pull {model}.*models load"):
        BERT(model).spec()


def test_minilm_keeps_its_bytes(tmp_path):
    """The batches and sums of the sentence vectors that checkpoints were trained on, by hand."""
    import torch
    from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

    folder = encoders.save_bert(tmp_path / "m")
    size = len(AutoTokenizer.from_pretrained(folder))
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=size, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
        intermediate_size=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, random.integers(0, 30))) for _ in range(70)]
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    expected = np.zeros((70, 384), np.float32)
    order = sorted(range(70), key=lambda i: (len(texts[i]), texts[i]))
    normalize = torch.nn.functional.normalize
    with torch.inference_mode():
        for rows in (order[:32], order[32:64], order[64:]):
            batch = tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, max_length=256,
                return_tensors="pt",
            )  # fmt: skip
            states = model.eval()(**batch, output_hidden_states=True).hidden_states
            mask = batch["attention_mask"][None, :, :, None].float()
            hidden = torch.stack(states[2:7])
            mean = normalize((hidden * mask).sum(2) / mask.sum(2), dim=2).mean(0)
            expected[rows] = normalize(mean, dim=1).numpy()
    assert MiniLM(folder=folder).encode(texts).tobytes() == expected.tobytes()
