"""Tables of word vectors by name: found, converted once, kept, and found again."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from affect_pipe.extractors.text.glove.files import TableFile, find_table, open_table_file
from affect_pipe.extractors.text.glove.formats import read_head, read_table, sniff
from affect_pipe.extractors.text.glove.table import (
    TABLE_FORMAT,
    DamagedTableError,
    TableSizeError,
    WordTable,
    write_table,
)
from affect_pipe.extractors.weights.catalogue import WORD_VECTORS, wanted
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.staging import locked
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.extractors.weights.unchanged import check_unchanged
from affect_pipe.pipeline.cache import resolve_root
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import AffectPipeError, CacheError, UsageError
from affect_pipe.pipeline.fingerprint import digest_json

_COLUMNS = re.compile(r"\.(\d{1,4})d$")
_FOLDER = ".tables"
_LEFT_OUT = {
    "fields": "without a word and as many numbers as the table has columns",
    "numbers": "with something that is no finite number",
    "utf8": "whose word is no UTF-8",
    "duplicates": "whose word came before",
}

_logger = logging.getLogger(__name__)


class KeptTables:
    """The tables of a store of weights, as `WordTable`.

    A table is converted when it is first asked for and kept in the store under the digest of its
    source, or, where the store cannot be written, in the user's cache folder. Several processes
    may ask at once: one converts, the others wait for it.

    Parameters
    ----------
    store : WeightsStore
    folder : Path, optional
        A folder with the source to use instead of what the store knows by the table's name.
    """

    def __init__(self, store: WeightsStore, folder: Path | None = None) -> None:
        self._store = store
        self._given = folder

    def source(self, table: str) -> TableFile:
        """Return the file that holds a table.

        Its weights bear the table's name (``glove.840B.300d``), or that name without its columns:
        ``glove.6B.300d`` lies in the archive ``glove.6B`` with three others.

        Raises
        ------
        MissingWeightsError
            If it is not on this machine and cannot be fetched.
        UsageError
            If what is there is no table, or another.
        """
        if self._given is not None:
            return find_table(self._given, table)
        found = (self._store.look(weights) for weights in self._candidates(table))
        folder = next((folder for folder in found if folder is not None), None)
        if folder is None:
            folder = self._store.find(self.weights(table), needed_for="the glove feature")
        return find_table(folder, table)

    def weights(self, table: str) -> Weights:
        """Return the weights a table is looked for in when it is not on this machine."""
        own, family = self._candidates(table)
        return own if own.fetchable or not family.fetchable else family

    @staticmethod
    def _candidates(table: str) -> tuple[Weights, Weights]:
        family = _COLUMNS.sub("", table)
        return wanted(table, WORD_VECTORS), wanted(family, WORD_VECTORS)

    def digest(self, source: TableFile) -> str:
        """Return the digest of a source's bytes: 32 hex characters.

        Raises
        ------
        ChangedWeightsError
            If the store's file is not what was put there.
        """
        check_unchanged(self._store.root, source.path.parent, [source.path.name])
        return DigestMemo(self._store.root / ".digests").digest(source.path)

    def dim(self, source: TableFile, table: str) -> int:
        """Return how many columns a source has; reads its first megabyte.

        Raises
        ------
        UsageError
            If it is no table, or has other columns than its name says.
        """
        with open_table_file(source) as stream:
            return sniff(read_head(stream), source, columns_of(table)).dim

    def open(self, source: TableFile, table: str) -> WordTable:
        """Return the table, converting it first where that was not done before.

        Raises
        ------
        UsageError
            If the source is no table or is damaged.
        CacheError
            If no place can be written to.
        """
        name = digest_json([TABLE_FORMAT, self.digest(source), source.member or ""])
        places = (self._store.root, _user_cache())
        for place in places:
            found = _opened(place / _FOLDER / f"{name}.safetensors")
            if found is not None:
                return found
        refused: AffectPipeError | OSError | None = None
        for place in places:
            path = place / _FOLDER / f"{name}.safetensors"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with locked(place, f"table-{name}"):
                    # Another process may have made it while this one waited.
                    return _opened(path) or _convert(source, table, path)
            except UsageError:
                raise
            except (OSError, AffectPipeError) as error:
                refused = error
        raise CacheError(
            f"the table {table} cannot be kept in {places[0]} nor in {places[1]} ({refused}): make "
            "room there, or name another folder in AFFECT_PIPE_MODELS."
        ) from refused


def columns_of(table: str) -> int | None:
    """Return how many columns a name says a table has, None where it does not say."""
    match = _COLUMNS.search(table)
    return int(match[1]) if match else None


def _user_cache() -> Path:
    root = resolve_root()
    return root if isinstance(root, Path) else Path(platformdirs.user_cache_dir("affect-pipe"))


def _opened(path: Path) -> WordTable | None:
    try:
        return WordTable(path)
    except FileNotFoundError:
        return None
    except (OSError, DamagedTableError) as error:
        _logger.warning("the kept word table %s is damaged (%s): it is made anew.", path, error)
        return None


def _convert(source: TableFile, table: str, path: Path) -> WordTable:
    counts: Counter[str] = Counter()
    with open_table_file(source) as stream:
        head = read_head(stream)
        layout = sniff(head, source, columns_of(table))
        batches = read_table(stream, head, layout, source, counts)
        try:
            write_table(path, batches, layout.dim, counts, table)
        except TableSizeError as error:
            raise UsageError(f"{source} is no table of word vectors: {error}.") from error
    told = left_out(counts)
    if told:
        _logger.warning("%s: %s", table, told)
    return WordTable(path)


def left_out(counts: Mapping[str, int]) -> str:
    """Say in one line which lines of a source are not in the table; empty where all are."""
    parts = [f"{counts[key]} {what}" for key, what in _LEFT_OUT.items() if counts.get(key)]
    return f"of {counts['lines']} lines, left out {', '.join(parts)}." if parts else ""
