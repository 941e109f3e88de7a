"""Whether files of the store are still those that were put there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from affect_pipe.extractors.weights.record import read_record, sha256_of
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import AffectPipeError

_FOLDER = ".sha256"


class ChangedWeightsError(AffectPipeError):
    """Files of the store are not what their record says."""


def check_unchanged(root: Path, folder: Path, names: Iterable[str]) -> None:
    """Refuse files that were edited, damaged or added since they were put into the store.

    Folders without a record (caches of other programs, links a user made) are taken as they are.
    A file is read once and then remembered until it changes, as `DigestMemo` does.

    Parameters
    ----------
    root : Path
        The store.
    folder : Path
        Where the weights lie.
    names : iterable of str
        The files that are to be used.

    Raises
    ------
    ChangedWeightsError
        Names the first such file and says how to mend it.
    """
    record = read_record(folder)
    if record is None:
        return
    recorded = {file.name: file for file in record.files}
    memo = DigestMemo(root / _FOLDER, measure=sha256_of)
    for name in names:
        known, path = recorded.get(name), folder / name
        try:
            sound = (
                known is not None
                and path.stat().st_size == known.size
                and memo.digest(path) == known.sha256
            )
        except OSError:
            sound = False
        if not sound:
            raise ChangedWeightsError(
                f"{path} is not what was put there as {record.name}: it was changed or damaged "
                f"since (`affect-pipe models verify {record.name}` checks all); put the right "
                "files there with `affect-pipe models load ARCHIVE --replace` or `affect-pipe "
                f"models add {record.name} PATH --replace`, or fetch them again after `affect-pipe "
                f"models remove {record.name}`."
            )
