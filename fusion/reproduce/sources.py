"""The datasets of the tables by name, read through `affect_pipe.fusion.datasets`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from affect_pipe.fusion.datasets.cmu import CorpusName, read_cmu
from affect_pipe.fusion.datasets.corpus import Corpus, with_sentiment_classes
from affect_pipe.fusion.datasets.folds import read_folds
from affect_pipe.fusion.datasets.mosi_features import read_clean, read_features
from affect_pipe.fusion.datasets.muse import FEATURE_MODALITIES, read_muse
from affect_pipe.fusion.reproduce.source import EncodeTexts, Request, Source, Splits
from affect_pipe.fusion.reproduce.tables import Setup
from affect_pipe.pipeline.records import MODALITIES, Modality


def request_of(setup: Setup, seed: int) -> Request:
    """Return what a setup asks of its source."""
    classes = next((t.classes for t in setup.tasks if t.name == "sentiment_class"), 2)
    by_seed = SOURCES[setup.source].by_seed
    features = tuple(feature.name for feature in setup.features)
    return Request(setup.source, classes, features, seed if by_seed else 0)


def _from_corpus(corpus: Corpus) -> Splits:
    parts = corpus.dialogues
    return Splits(
        tuple(parts.get("train", ())),
        tuple(parts.get("dev", ())),
        tuple(parts.get("test", ())),
        {m: ((c.name, c.dim),) for m, c in corpus.description.modalities.items()},
    )


def _mosi_published(data: Path, request: Request, encode: EncodeTexts) -> Splits:
    return _from_corpus(read_features(data, classes=2))


def _mosi_clean(data: Path, request: Request, encode: EncodeTexts) -> Splits:
    return _from_corpus(read_clean(data, encode, seed=request.seed, classes=2))


_MOSI_FILE = "mosi/mosi_mmmuba.npz"
_MOSI_HOW = (
    "take the features published with MMMU-BA (Ghosal et al. 2018, its repository), lay them out "
    "as docs/data.md says and type: affect-pipe reproduce mosi --data DIR"
)
_NO_READER = (
    "its authors give it out on request and there is no reader for it yet; the other columns run "
    "without it"
)


# Below the data folder, under the names CMU-MultimodalSDK fetches them by.
_CMU_FILES: dict[CorpusName, dict[str, str]] = {
    "CMU-MOSEI": {
        "labels": "mosei/CMU_MOSEI_Labels.csd",
        "text": "mosei/CMU_MOSEI_TimestampedWordVectors.csd",
        "acoustic": "mosei/CMU_MOSEI_COVAREP.csd",
        "visual": "mosei/CMU_MOSEI_VisualFacet42.csd",
        "folds": "mosei/cmu_mosei_std_folds.py",
    },
    "CMU-MOSI": {
        "labels": "mosi/CMU_MOSI_Opinion_Labels.csd",
        "text": "mosi/CMU_MOSI_TimestampedWordVectors.csd",
        "acoustic": "mosi/CMU_MOSI_COVAREP.csd",
        "visual": "mosi/CMU_MOSI_Visual_Facet_41.csd",
        "folds": "mosi/cmu_mosi_std_folds.py",
    },
}


def _cmu(corpus: CorpusName, data: Path, request: Request, encode: EncodeTexts) -> Splits:
    files = {name: data / file for name, file in _CMU_FILES[corpus].items()}
    features = {modality: files[modality] for modality in MODALITIES}
    read = read_cmu(corpus, files["labels"], features, read_folds(files["folds"], corpus))
    splits = _from_corpus(read)
    if request.classes == 3:
        return splits
    classes = request.classes
    return replace(
        splits,
        train=with_sentiment_classes(splits.train, classes),
        dev=with_sentiment_classes(splits.dev, classes),
        test=with_sentiment_classes(splits.test, classes),
    )


def _cmu_source(name: str, corpus: CorpusName, tables: str) -> Source:
    folder = _CMU_FILES[corpus]["labels"].partition("/")[0]
    how = (
        "fetch its computational sequences and std_folds.py with CMU-MultimodalSDK "
        f"(github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK), put them into DIR/{folder} and type: "
        f"affect-pipe reproduce {tables} --data DIR"
    )
    files = tuple(_CMU_FILES[corpus].values())
    return Source(name, corpus, files, how, partial(_cmu, corpus))


def _muse(data: Path, request: Request, encode: EncodeTexts) -> Splits:
    corpus = read_muse(data / "muse", request.features)
    splits = _from_corpus(corpus)
    columns: dict[Modality, tuple[tuple[str, int], ...]] = {}
    for modality, described in corpus.description.modalities.items():
        # Features lie side by side in the order they were asked for.
        own = [name for name in request.features if FEATURE_MODALITIES[name] == modality]
        columns[modality] = tuple(
            (name, sum(column.startswith(f"{name}_") for column in described.columns))
            for name in own
        )
    return replace(splits, columns=columns)


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "mosi-published",
            "CMU-MOSI, features published with MMMU-BA",
            (_MOSI_FILE,),
            _MOSI_HOW,
            _mosi_published,
        ),
        Source(
            "mosi-clean",
            "CMU-MOSI, clean track",
            (_MOSI_FILE,),
            _MOSI_HOW,
            _mosi_clean,
            by_seed=True,
        ),
        _cmu_source("mosei", "CMU-MOSEI", "cim-3"),
        _cmu_source("mosi-intensity", "CMU-MOSI", "cim-4"),
        Source("ict-mmmo", "ICT-MMMO", (), _NO_READER),
        Source("youtube", "YouTube opinions", (), _NO_READER),
        Source("moud", "MOUD", (), _NO_READER),
        Source(
            "muse",
            "MuSe-Sent (MuSe-CaR)",
            ("muse/partition.csv", "muse/feature_segments", "muse/label_segments"),
            "ask for it under its licence agreement (MuSe 2021 challenge, www.muse-challenge.org), "
            "put feature_segments, label_segments and partition.csv into DIR/muse and type: "
            "affect-pipe reproduce muse-2 --data DIR",
            _muse,
            # "<video>_<segment>"
            video_of=lambda name: name.rpartition("_")[0],
        ),
    )
}
