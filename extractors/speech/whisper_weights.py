"""Where Whisper's weights are, whether they are sound, and how they get here. Imports no torch."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

from affect_pipe.extractors.weights.places import models_root
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.given import quoted, user_path
from affect_pipe.pipeline.optional import require

DEFAULT_SIZE = "base"
#: Sizes and the file each is kept in.
SIZES = {
    **{
        name: f"{name}.pt"
        for base in ("tiny", "base", "small", "medium")
        for name in (base, f"{base}.en")
    },
    **{name: f"{name}.pt" for name in ("large-v1", "large-v2", "large-v3", "large-v3-turbo")},
    "large": "large-v3.pt",
    "turbo": "large-v3-turbo.pt",
}
# Where the package downloads from; named here so that asking it needs no import of torch.
_HOST = "openaipublic.azureedge.net"
_CONNECT_S = 3.0
_STALL_S = 30.0


def cache_folder() -> Path:
    """Return the folder in which the whisper package keeps its weights."""
    default = Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME", default)) / "whisper"


def weights_available(size: str) -> Path | None:
    """Return the weights file of ``size`` (a size or a path) if it is on this machine.

    The folder of the whisper package comes first, then the store of ``affect-pipe models``. Only
    looks whether the file is there; its digest is checked when it is loaded.
    """
    if size not in SIZES:
        return _own(size) if _holds_something(_own(size)) else None
    places = (cache_folder(), models_root() / stored_name(size))
    return next((p / SIZES[size] for p in places if _holds_something(p / SIZES[size])), None)


def stored_name(size: str) -> str:
    """Return what ``affect-pipe models`` calls the weights of a size."""
    return f"whisper-{Path(SIZES[size]).stem}"


def _holds_something(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:  # a name too long to be a path, a folder that may not be entered
        return False


def _own(size: str) -> Path:
    return user_path(size, "the file of Whisper weights")


def check_size(size: str) -> None:
    """Refuse what is neither a size nor a file.

    Raises
    ------
    UsageError
        Lists the sizes.
    """
    if size in SIZES or weights_available(size) is not None:
        return
    if size.endswith(".pt") or os.sep in size:
        raise UsageError(
            f"there are no Whisper weights at {quoted(str(_own(size)), 300)}: give the path of a "
            f".pt file or one of the sizes {', '.join(SIZES)}."
        )
    raise UsageError(
        f"unknown Whisper model {quoted(size)}: known sizes are {', '.join(SIZES)}, "
        "or give the path of a .pt file."
    )


def verified_weights(size: str, *, allow_download: bool = True) -> Path:
    """Return a sound weights file for ``size``, downloading it if need be.

    Parameters
    ----------
    size : str
        A size, or the path of a checkpoint file, which is taken as it is.
    allow_download : bool
        Whether the network may be used.

    Raises
    ------
    UsageError
        If ``size`` is neither a size nor a file.
    MissingWeightsError
        If there is no file for a size, or it is damaged, and it cannot be downloaded.
    """
    check_size(size)
    path = weights_available(size)
    if size not in SIZES and path is not None:
        return path
    if path is not None and _sha256(path) == _url(size).split("/")[-2]:
        return path
    state = "are damaged (their SHA-256 is not the published one)" if path else "are not there"
    if not allow_download:
        raise MissingWeightsError(_how_to_get(size, state, "downloading is switched off"))
    return _download(size, state)


def _url(size: str) -> str:
    whisper = require("whisper", feature="speech recognition with Whisper")
    return str(whisper._MODELS[size])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(size: str, state: str) -> Path:
    """Fetch through the whisper package, which checks the digest, once the host answers."""
    before = socket.getdefaulttimeout()
    try:
        # Asked first, and briefly: without a network this fails before the slow import.
        with contextlib.suppress(urllib.error.HTTPError):
            request = urllib.request.Request(f"https://{_HOST}/", method="HEAD")
            urllib.request.urlopen(request, timeout=_CONNECT_S).close()
        url = _url(size)
        # The package's own request has no timeout: a stalled line would hang for ever.
        socket.setdefaulttimeout(_STALL_S)
        whisper = require("whisper", feature="speech recognition with Whisper")
        return Path(whisper._download(url, str(cache_folder()), False))
    except (OSError, RuntimeError) as error:
        why = f"{_HOST} cannot be reached ({getattr(error, 'reason', None) or error})"
        raise MissingWeightsError(_how_to_get(size, state, why)) from error
    finally:
        socket.setdefaulttimeout(before)


def _how_to_get(size: str, state: str, why: str) -> str:
    file, name = SIZES[size], stored_name(size)
    return (
        f"Whisper's weights {cache_folder() / file} {state} and {why}: with a network, "
        f"`affect-pipe models pull {name}`; without one, `affect-pipe models bundle {name} --out "
        f"{name}.tar` on a machine that has it and `affect-pipe models load {name}.tar` here, or "
        f"pass --asr whisper:/path/{file}."
    )
