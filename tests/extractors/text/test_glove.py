"""Words to vectors: tokens, what is out of vocabulary, means over words and utterances."""

import numpy as np
import pytest

from affect_pipe.extractors.registry import build
from affect_pipe.extractors.text.glove.extractor import GloVe, usual_case, usual_tokens
from affect_pipe.extractors.text.glove.tokens import is_punctuation, tokenise
from affect_pipe.extractors.weights.own import add
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.extractors.weights.unchanged import ChangedWeightsError
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import Utterance, Word

# By TreebankWordTokenizer of NLTK 3.9.1, one sentence at a time.
TREEBANK = {
    "I don't know, it's Smith's dog - won't you?": (
        "I do n't know , it 's Smith 's dog - wo n't you ?"
    ),
    "We cannot go; you're gonna be late!": "We can not go ; you 're gon na be late !",
    "They'd've said I'm sure we'll lose 10% of $1,000.50": (
        "They'd 've said I 'm sure we 'll lose 10 % of $ 1,000.50"
    ),
    'Gimme that well-known "thing" (now), she said': (
        "Gim me that well-known `` thing '' ( now ) , she said"
    ),
    "You've gotta lemme see O'Brien, ma'am": "You 've got ta lem me see O'Brien , ma'am",
    "'Tis the dogs' bowl": "'T is the dogs ' bowl",
}


@pytest.mark.parametrize(("text", "expected"), TREEBANK.items())
def test_tokens_as_the_treebank_cuts_them(text, expected):
    # "They'd've" holds two contractions; the reference cuts the last only.
    expected = expected.replace("They'd 've", "They 'd 've").split()
    assert tokenise(text) == tuple(token for token in expected if not is_punctuation(token))


def test_a_word_alone_is_cut_as_in_its_sentence():
    for text in TREEBANK:
        assert tokenise(text) == tuple(t for word in text.split() for t in tokenise(word))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Mr. Smith left the U.S. at 10:30 p.m.", "Mr. Smith left the U.S. at 10:30 p.m."),
        ("No. I said so. Etc.", "No I said so Etc."),
        ("\u201cIt\u2019s me\u2026\u201d she\u2014or he\u2014said", "It 's me she or he said"),
        ("mail a.b@c.com or www.x.org/a?b.", "mail a.b@c.com or www.x.org/a?b"),
        ("AT&T in the '90s, 'em", "AT&T in the '90s 'em"),
        ("cafe\u0301 na\u00efve", "caf\u00e9 na\u00efve"),
        ("- ... ?! ,", ""),
    ],
)
def test_other_tokens(text, tokens):
    assert tokenise(text) == tuple(tokens.split())


def test_tags_of_the_twitter_tables():
    text = "@joe LOL wayyyy cool!!! http://a.b/c #LoveThis #OMG :) <3 10:30 I don't :( :-P :/ x/y"
    expected = (
        "<user> lol <allcaps> way <elong> cool <repeat> <url> <hashtag> love this <hashtag> omg "
        "<allcaps> <smile> <heart> <number> i do n't <sadface> <lolface> <neutralface> x y"
    )
    assert " ".join(tokenise(text, "twitter")) == expected


def test_words_without_their_punctuation():
    assert tokenise('"Don\'t!" (well-known) $5 -', "words") == ("Don't", "well-known", "$5")


def test_what_names_say():
    assert (usual_tokens("glove.6B.300d"), usual_case("glove.6B.300d")) == ("ptb", "lower")
    assert (usual_tokens("glove.840B.300d"), usual_case("glove.840B.300d")) == ("ptb", "keep")
    twitter = "glove.twitter.27B.200d"
    assert (usual_tokens(twitter), usual_case(twitter)) == ("twitter", "lower")
    news = "word2vec-google-news-300"
    assert (usual_tokens(news), usual_case(news)) == ("words", "keep")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own").mkdir()
    rows = {
        "do": [1, 0], "n't": [0, 1], "love": [4, 4], "Paris": [8, 0], "paris": [0, 8],
        "well": [2, 0], "known": [0, 2], "etc": [6, 6], ",": [99, 99], ".": [99, 99],
    }  # fmt: skip
    (tmp_path / "own" / "t.txt").write_text("".join(f"{w} {a} {b}\n" for w, (a, b) in rows.items()))
    return tmp_path / "own"


def test_the_vector_of_a_word_is_the_mean_over_its_tokens(folder):
    words = ["don't", "Paris", "LOVE", "well-known,", "etc.", "zzz", "...", "well-zzz"]
    keep = GloVe("t", tokens="ptb", case="keep", folder=folder).look_up(words)
    assert keep.known.tolist() == [True] * 5 + [False, False, True]
    assert keep.spoken.tolist() == [True] * 6 + [False, True]
    expected = [[0.5, 0.5], [8, 0], [4, 4], [1, 1], [6, 6]]
    assert keep.vectors[:5].tolist() == expected
    assert keep.vectors[7].tolist() == [2, 0]
    assert np.isnan(keep.vectors[5:7]).all()
    lower = GloVe("t", tokens="ptb", case="lower", folder=folder).look_up(words)
    assert lower.vectors[1].tolist() == [0, 8]


def utterance(index, start_s, *words, reason=None):
    made = tuple(Word(w, start_s + i, start_s + i + 0.5, 0.5) for i, w in enumerate(words))
    return Utterance(
        index, start_s, start_s + len(words) + 1, " ".join(words), made, text_reason=reason
    )


def test_utterances(folder):
    utterances = [
        utterance(0, 0, "Paris,", "don't", "zzz", "-"),
        utterance(1, 2.2, "qqq", "zzz"),
        utterance(2, 9, reason="most words are guesses"),
        utterance(3, 10, "..."),
        Utterance(4, 11, 12, "love love"),
    ]
    glove = GloVe("t", tokens="ptb", case="keep", folder=folder)
    block = glove.extract(None, utterances)
    assert block.present.tolist() == [True, False, False, False, True]
    none = "no word of it is in the table t"
    assert block.reasons == (None, none, "most words are guesses", "no words", None)
    assert block.values[0].tolist() == [4.25, 0.25]
    assert block.values[4].tolist() == [4, 4]
    np.testing.assert_allclose(block.quality["oov_share"], [1 / 3, 1, np.nan, np.nan, 0], rtol=1e-6)
    assert block.quality["asr_confidence"][0] == 0.5

    table = glove.frame_table(None, utterances)
    # The second utterance begins inside the first; punctuation alone is no row.
    assert table.labels["word"] == ("Paris,", "don't", "zzz", "qqq", "zzz")
    assert table.labels["utterance"] == (0, 0, 0, 1, 1)
    assert table.labels["in_vocabulary"] == (1, 1, 0, 0, 0)
    assert table.time_s.tolist() == [0, 1, 2, 2.2, 3.2]
    np.testing.assert_allclose(table.end_s - table.time_s, 0.5)
    np.testing.assert_array_equal(np.nanmean(table.values[:3], axis=0), block.values[0])


def test_a_table_that_changed_in_the_store_is_refused(folder):
    path = next(folder.glob("*.txt"))
    stored = add(WeightsStore(), "mine", path)
    before = GloVe("mine").spec()
    data = (stored / path.name).read_bytes()
    (stored / path.name).write_bytes(data[:-2] + b"7\n")
    with pytest.raises(ChangedWeightsError, match=r"mine.*models verify mine"):
        GloVe("mine").spec()
    (stored / path.name).write_bytes(data)
    assert GloVe("mine").spec() == before


def test_no_utterances_and_no_words(folder):
    glove = GloVe("t", folder=folder)
    assert glove.extract(None, []).values.shape == (0, 2)
    assert glove.frame_table(None, [utterance(0, 0)]).values.shape == (0, 2)


def test_the_spec_rebuilds_the_extractor(models, folder):
    models.mkdir(exist_ok=True)
    folder.rename(models / "t")
    glove = GloVe("t")
    spec = glove.spec()
    assert (spec.dim, spec.columns) == (2, ("glove_000", "glove_001"))
    assert spec.settings == {"table": "t", "tokens": "words", "case": "keep"}
    assert build(spec.name, spec.settings).spec() == spec
    assert not spec.compatible_with(GloVe("t", case="lower").spec())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"tokens": "bpe"}, "tokens is 'bpe': expected one of ptb, twitter, words"),
        ({"case": "upper"}, "case is 'upper': expected one of lower, keep"),
        ({"table": "../../etc"}, "cannot be the name of weights"),
    ],
)
def test_settings_that_cannot_be(settings, match):
    with pytest.raises(UsageError, match=match):
        GloVe(**settings)
