"""Features of videos as Python calls: in memory, or as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from affect_pipe.feature_extraction import Extractor, Written, check_written_as, write_all
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.extraction import Level
from affect_pipe.pipeline.given import media_path, user_path
from affect_pipe.pipeline.media_files import find_media
from affect_pipe.pipeline.preflight import check_output
from affect_pipe.pipeline.results.feature_file import FeatureFile
from affect_pipe.pipeline.settings import RunSettings

DEFAULT_FEATURES = ("minilm", "egemaps", "facemesh")
Tell = Callable[[str], None]


def _ignore(line: str) -> None:
    """Tell nobody."""


def extract(
    media: str | Path,
    features: Sequence[str] = DEFAULT_FEATURES,
    *,
    level: Level = "utterance",
    feature_settings: Mapping[str, Mapping[str, Any]] | None = None,
    settings: RunSettings | None = None,
    listener: Listener = ignore,
) -> dict[str, FeatureFile]:
    """Extract features of one video or audio file.

    Parameters
    ----------
    media : str or Path
    features : sequence of str
        Any number of a modality; `list_features` lists them.
    level : {"utterance", "frame"}
        A row an utterance; or a row a frame of sound, a face in a frame, a word.
    feature_settings : mapping of feature name to settings, optional
    settings : RunSettings, optional
        Where words come from, how they are cut, limits, cache; its model is not looked at.
    listener : callable, optional
        Told of every step of every stage.

    Returns
    -------
    dict of feature name to FeatureFile
        Columns, units, values and where they come from, in the order of ``features``.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do.
    """
    with Extractor(features, level, feature_settings, settings) as extractor:
        extracted = extractor(media, listener)
        for _, error in extracted.failures:
            raise error
        return extractor.files(extracted)


def extract_to_files(
    media: str | Path | Sequence[str | Path],
    out: str | Path,
    features: Sequence[str] = DEFAULT_FEATURES,
    *,
    level: Level = "utterance",
    format: str = "parquet",
    feature_settings: Mapping[str, Mapping[str, Any]] | None = None,
    settings: RunSettings | None = None,
    tell: Tell = _ignore,
    listener: Listener = ignore,
) -> list[Written]:
    """Extract features of media files into ``<out>/<stem>.<feature>.<level>.<format>``.

    A file that cannot be read does not stop the others; what failed is in the result.

    Parameters
    ----------
    media : str, Path, or sequence of them
        Files, and folders, which are searched; the sub-folders of a folder are kept apart below
        ``out``.
    out : str or Path
    features, level, feature_settings, settings, listener
        As in `extract`.
    format : {"parquet", "csv", "npz", "hdf5"}
    tell : callable (line)
        Hears which files of a folder are no media.

    Raises
    ------
    AffectPipeError
        If the request itself is wrong: nothing was done then.
    """
    several = media if isinstance(media, Iterable) and not isinstance(media, str) else [media]
    files = find_media([media_path(one) for one in several], tell)
    folder = user_path(out, "the result folder")
    written_as = check_written_as(format)
    with Extractor(features, level, feature_settings, settings) as extractor:
        check_output(folder)
        return write_all(extractor, files, folder, written_as, listener)
