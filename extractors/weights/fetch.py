"""Getting published weights over the network, each file checked before anybody sees it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from affect_pipe.extractors.weights import places
from affect_pipe.extractors.weights.needs import Weights, WeightsFile
from affect_pipe.extractors.weights.record import WeightsRecord, describe, sha256_of, write_record
from affect_pipe.extractors.weights.staging import StoreError, install, locked, staging
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.sizes import format_size

_OFFLINE = "HF_HUB_OFFLINE"
_TIMEOUT_S = (5.0, 30.0)  # to connect, between bytes
_BLOCK_BYTES = 1 << 20


class Unreachable(Exception):  # noqa: N818
    """Why weights could not be fetched, as it reads after "and"."""


def offline() -> bool:
    """Whether the user has forbidden the network, with the variable of the Hugging Face hub."""
    return os.environ.get(_OFFLINE, "").upper() in {"1", "ON", "YES", "TRUE"}


def fetch(weights: Weights, root: Path, *, say: Callable[[str], None] | None = None) -> Path:
    """Fetch weights that say where they come from; return the folder that has them.

    Files of a hub repository go into the Hugging Face cache, where other programs find them too,
    files of other addresses into the store.

    Parameters
    ----------
    root : Path
        The store.
    say : callable, optional
        Is told, in one line, that a download begins.

    Raises
    ------
    Unreachable
        If there is no network, or what came is not what was published.
    StoreError
        If the store cannot be written.
    """
    if offline():
        raise Unreachable(f"the network is switched off by {_OFFLINE}")
    if say is not None:
        amount = f" ({format_size(weights.known_size)})" if weights.known_size else ""
        say(f"fetching {weights.name}{amount} from {origin(weights)}")
    if weights.hub is not None:
        return _from_hub(weights)
    with locked(root, weights.folder_name):
        final = root / weights.folder_name
        # Another process may have fetched it while this one waited.
        if final.is_dir() and not places.missing_in(weights, final):
            return final
        with staging(root) as folder:
            for file in weights.files:
                _from_url(file, folder)
            record = WeightsRecord(
                name=weights.name,
                files=describe(folder, (file.name for file in weights.files)),
                licence=weights.licence,
                page=weights.page,
                origin=origin(weights),
            )
            write_record(folder, record)
            install(folder, final)
        return final


def origin(weights: Weights) -> str:
    """Return where it comes from, for people."""
    if weights.hub is not None:
        return f"huggingface.co/{weights.hub}"
    hosts = {urlsplit(file.url or "").netloc for file in weights.files}
    return ", ".join(sorted(hosts))


def _from_hub(weights: Weights) -> Path:
    hub = require("huggingface_hub", feature="fetching weights")
    wanted = [*(file.name for file in weights.files), *weights.one_of, *weights.patterns]
    try:
        folder = Path(
            hub.snapshot_download(weights.hub, revision=weights.revision, allow_patterns=wanted)
        )
    # The hub client raises a family of its own errors beside those of its HTTP library.
    except Exception as error:
        raise Unreachable(_why_no_hub(weights, error)) from error
    wanting = places.missing_in(weights, folder)
    if wanting:
        raise Unreachable(f"huggingface.co/{weights.hub} has no {', '.join(wanting)}")
    for file in weights.files:
        if file.sha256 is not None and sha256_of(folder / file.name) != file.sha256:
            raise Unreachable(_other_bytes(file.name, f"huggingface.co/{weights.hub}"))
    return folder


def _why_no_hub(weights: Weights, error: Exception) -> str:
    kind = type(error).__name__
    if kind in {"RepositoryNotFoundError", "GatedRepoError", "RevisionNotFoundError"}:
        return f"huggingface.co has no {weights.hub} that may be read without logging in"
    # What the client says of a machine without a network.
    unknown = kind in {"LocalEntryNotFoundError", "ConnectError", "ConnectionError"}
    return "huggingface.co cannot be reached" + ("" if unknown else f" ({kind})")


def _from_url(file: WeightsFile, folder: Path) -> None:
    """Download one file through pooch, which checks its digest before it gives it its name."""
    pooch = require("pooch", feature="fetching weights")
    import requests

    url = file.url or ""
    host = urlsplit(url).netloc
    pooch.get_logger().setLevel(logging.WARNING)
    loader = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), chunk_size=_BLOCK_BYTES, timeout=_TIMEOUT_S
    )
    try:
        pooch.retrieve(
            url,
            known_hash=None if file.sha256 is None else f"sha256:{file.sha256}",
            fname=file.name,
            path=folder,
            downloader=loader,
        )
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise Unreachable(f"{host} answers {status} for {file.name}") from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise Unreachable(f"{host} cannot be reached, or broke off") from error
    except requests.RequestException as error:
        raise Unreachable(f"{host} cannot be reached ({type(error).__name__})") from error
    except ValueError as error:
        raise Unreachable(_other_bytes(file.name, host)) from error
    except OSError as error:
        raise StoreError(
            f"{file.name} cannot be written to {folder.parent} ({error.strerror or error}): free "
            "space there, or name another folder in AFFECT_PIPE_MODELS."
        ) from error
    if file.size is not None and (folder / file.name).stat().st_size != file.size:
        raise Unreachable(_other_bytes(file.name, host))


def _other_bytes(name: str, source: str) -> str:
    return f"{name} as it came from {source} is not the published file (another size or SHA-256)"
