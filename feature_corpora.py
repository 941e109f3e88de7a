"""Features of many videos as computational sequences of CMU-MultimodalSDK."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from affect_pipe.feature_extraction import Extractor, Written
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.media_files import MediaFile
from affect_pipe.pipeline.results.csd import SUFFIX, CsdWriter, open_csd_writer


def write_csd(
    extractor: Extractor,
    files: Sequence[MediaFile],
    out: Path,
    *,
    dataset: str = "own videos",
    listener: Callable[[], Listener] = lambda: ignore,
) -> tuple[tuple[Path, ...], tuple[Written, ...]]:
    """Extract features of videos into ``<out>/<feature>.<level>.csd``, one file a feature.

    A video that cannot be read does not stop the others.

    Parameters
    ----------
    extractor : Extractor
    files : sequence of MediaFile
    out : Path
    dataset : str
        What the metadata call the collection.
    listener : callable
        Makes the listener of one video.

    Returns
    -------
    paths : tuple of Path
    written : tuple of Written
        One a video: its warnings and failures.

    Raises
    ------
    AffectPipeError
        If a file cannot be written, or no video could be described.
    """
    paths = {name: out / f"{name}.{extractor.level}{SUFFIX}" for name in extractor.names}
    written: list[Written] = []
    with ExitStack() as stack:
        writers: dict[str, CsdWriter] = {}
        for file in files:
            try:
                extracted = extractor(file.path, listener())
            except AffectPipeError as error:
                written.append(Written(file.path, failures=(("", error),)))
                continue
            warnings = list(extracted.warnings)
            for name, found in extractor.files(extracted).items():
                if name not in writers:
                    writers[name] = stack.enter_context(open_csd_writer(paths[name], dataset))
                if not writers[name].add(file.target.as_posix(), found):
                    warnings.append(f"{name} has no rows: this video is not in {paths[name].name}.")
            written.append(Written(file.path, (), extracted.failures, tuple(warnings)))
    if not writers:
        first = next(str(error) for one in written for _, error in one.failures)
        raise UsageError(f"none of the {len(files)} files could be described; the first: {first}")
    return tuple(paths[name] for name in writers), tuple(written)
