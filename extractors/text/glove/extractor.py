"""GloVe or word2vec vectors of words, and their mean over each utterance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from affect_pipe.extractors.text.glove.files import TableFile
from affect_pipe.extractors.text.glove.kept import KeptTables
from affect_pipe.extractors.text.glove.lookup import Case, LookedUp, look_up
from affect_pipe.extractors.text.glove.table import WordTable
from affect_pipe.extractors.text.glove.tokens import TOKENS, Tokens
from affect_pipe.extractors.text.spoken import in_order, no_words, with_words, word_confidence
from affect_pipe.extractors.weights.needs import Weights, check_name
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import FrameStage, Source
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, Utterance

T = TypeVar("T")
DEFAULT_TABLE = "glove.6B.300d"
CASES: tuple[Case, ...] = ("lower", "keep")


def usual_tokens(table: str) -> Tokens:
    """Return how the words of a table of this name were cut."""
    if "twitter" in table.lower():
        return "twitter"
    return "ptb" if table.lower().startswith("glove") else "words"


def usual_case(table: str) -> Case:
    """Return whether a table of this name tells capitals from small letters.

    The releases of 2014 say: 840B does, 6B, 42B and Twitter do not. A table that is not GloVe's is
    taken to.
    """
    lower = table.lower().startswith("glove") and "840b" not in table.lower()
    return "lower" if lower else "keep"


class GloVe:
    """Word vectors of a table: GloVe (Pennington et al. 2014) or word2vec (Mikolov et al. 2013).

    A word is cut into tokens as the table's corpus was ("don't" is "do" and "n't"), and its vector
    is the mean of its tokens'; an utterance's vector is the mean of its words', as the papers on
    CMU-MOSEI have it. Punctuation is no word.

    A token that the table lacks is looked up in lower case (where the table keeps case), then
    without a final period, then part by part where it has hyphens, slashes or underscores. What is
    still not found is left out of the mean. A word without any token in the table is out of
    vocabulary; an utterance of such words alone is absent.

    Parameters
    ----------
    table : str
        Name of the table, ``glove.6B.300d`` for one of several in an archive; also of your own
        (``affect-pipe models add NAME PATH``). GloVe's text, the release's zip archives, and
        word2vec's text and binary form are read, gzipped too.
    tokens : {"ptb", "twitter", "words"}, optional
        How words are cut, see `tokens.tokenise`; by default what the table's name says
        (`usual_tokens`).
    case : {"lower", "keep"}, optional
        Whether words are looked up in lower case; by default by the name (`usual_case`).
    folder : Path, optional
        A folder with the table's file to use; by default the store of weights.

    Raises
    ------
    UsageError
        If a setting is none of these.
    """

    name = "glove"
    version = "1"

    def __init__(
        self,
        table: str = DEFAULT_TABLE,
        tokens: Tokens | None = None,
        case: Case | None = None,
        folder: Path | None = None,
    ) -> None:
        self._table_name = table = check_name(str(table))
        self._tokens = _one_of("tokens", tokens or usual_tokens(table), TOKENS)
        self._case = _one_of("case", case or usual_case(table), CASES)
        self._kept = KeptTables(WeightsStore(), folder)

    @cached_property
    def _source(self) -> TableFile:
        return self._kept.source(self._table_name)

    @cached_property
    def table(self) -> WordTable:
        """The table, mapped into memory; converted once where that was not done before."""
        return self._kept.open(self._source, self._table_name)

    @cached_property
    def _spec(self) -> FeatureSpec:
        digest = self._kept.digest(self._source)
        dim = self._kept.dim(self._source, self._table_name)
        return FeatureSpec(
            name=self.name,
            modality="text",
            dim=dim,
            columns=tuple(f"glove_{i:03d}" for i in range(dim)),
            version=self.version,
            settings={"table": self._table_name, "tokens": self._tokens, "case": self._case},
            model_id=self._table_name,
            weights_digest=digest,
        )

    def spec(self) -> FeatureSpec:
        """Return the contract; reads the source once to tell which it is, converts nothing."""
        return self._spec

    def weights(self) -> tuple[Weights, ...]:
        """Return the weights it loads: the table by its own name, or the archive it lies in."""
        return (self._kept.weights(self._table_name),)

    def frame_stage(self) -> FrameStage | None:
        """Return None: words need no frames."""
        return None

    def look_up(self, words: Sequence[str]) -> LookedUp:
        """Return the vectors of words, and which the table has."""
        return look_up(words, self.table, self._tokens, self._case)

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the words of each utterance.

        Returns
        -------
        FeatureBlock
            float32 [n_utterances, dim]. Quality: ``asr_confidence`` in [0, 1], as of `MiniLM`;
            ``oov_share`` in [0, 1], the share of words that are not in the table (NaN without
            words). Absent without words, and where none is in the table.
        """
        spec, n = self.spec(), len(utterances)
        values = np.zeros((n, spec.dim), dtype=np.float32)
        present = with_words(utterances)
        reasons: list[str | None] = [
            None if there else no_words(u) for u, there in zip(utterances, present, strict=True)
        ]
        oov_share = np.full(n, np.nan, dtype=np.float32)
        for row in np.flatnonzero(present):
            utterance = utterances[row]
            found = self.look_up([w.text for w in utterance.words] or utterance.text.split())
            if found.spoken.any():
                oov_share[row] = 1.0 - found.known.sum() / found.spoken.sum()
            if found.known.any():
                values[row] = found.vectors[found.known].mean(0, np.float64)
            else:
                present[row] = False
                unknown = f"no word of it is in the table {self._table_name}"
                reasons[row] = unknown if found.spoken.any() else no_words(utterance)
        quality = {"asr_confidence": word_confidence(utterances), "oov_share": oov_share}
        return FeatureBlock(spec, values, present, tuple(reasons), quality)

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return one row a word that is more than punctuation, in order of start.

        Returns
        -------
        FrameTable
            NaN rows for words that are not in the table. Labels: ``word`` as the transcript has
            it, ``utterance``, its index, ``in_vocabulary``, 1 or 0.
        """
        spec = self.spec()
        spoken = list(in_order(utterances))
        found = self.look_up([s.word.text for s in spoken])
        rows = [i for i, said in enumerate(found.spoken) if said]
        kept = [spoken[i] for i in rows]
        return FrameTable(
            spec,
            columns=spec.columns,
            units=("",) * spec.dim,
            time_s=np.array([s.word.start_s for s in kept], dtype=np.float64),
            end_s=np.array([s.word.end_s for s in kept], dtype=np.float64),
            values=found.vectors[rows],
            labels={
                "utterance": tuple(utterances[s.row].index for s in kept),
                "word": tuple(s.word.text for s in kept),
                "in_vocabulary": tuple(int(found.known[i]) for i in rows),
            },
        )


def _one_of(what: str, given: T, known: tuple[T, ...]) -> T:
    if given not in known:
        raise UsageError(
            f"{what} is {quoted(given)}: expected one of {', '.join(map(str, known))}."
        )
    return given
