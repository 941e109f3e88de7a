"""``affect-pipe serve``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.commands.common import STOPPED, Verbs, hush_back_ends, result_folder, tell
from affect_pipe.commands.words import add_word_options, word_flags
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.batch import Batch

_NEEDED = ("starlette", "uvicorn", "python_multipart", "pathvalidate")
_DESCRIPTION = """Open a page on this machine: drop videos on it, watch them being analysed, open
their reports. No video leaves the machine. Ctrl-C ends it; what was queued goes on at the next
start with the same --out."""


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    serve = verbs.add_parser(
        "serve",
        parents=[common],
        help="a local page to drop videos on",
        description=_DESCRIPTION,
    )
    serve.add_argument(
        "--out",
        type=result_folder,
        default=Path("affect-serve"),
        metavar="DIR",
        help="folder of videos, results and cache (affect-serve)",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (127.0.0.1: this machine alone; at any other there is no login)",
    )
    serve.add_argument("--port", type=int, default=8765, help="0 is any that is free (8765)")
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which browsers may ask for the page; may be repeated",
    )
    serve.add_argument(
        "--max-upload", default="4GB", metavar="SIZE", help="largest video that is taken (4GB)"
    )
    serve.add_argument(
        "--max-disk", default="50GB", metavar="SIZE", help="what --out may take in all (50GB)"
    )
    serve.add_argument(
        "--workers", default="auto", metavar="N", help="processes (auto: one a core)"
    )
    serve.add_argument("--memory", metavar="SIZE", help="budget of all workers, as 8GB")
    serve.add_argument("--timeout", type=float, metavar="S", help="longest a video may take")
    serve.add_argument(
        "--model", metavar="NAME|DIR", help="checkpoint: a shipped name or a folder (starter)"
    )
    add_word_options(serve)
    serve.add_argument(
        "--explain",
        action="store_true",
        help="add to the reports what each modality contributed; takes longer",
    )
    serve.add_argument(
        "--config", type=Path, metavar="TOML", help="settings file; flags win over it"
    )
    serve.add_argument(
        "--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL (cache/ in --out)"
    )
    serve.set_defaults(handler=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    from affect_pipe.pipeline.optional import require
    from affect_pipe.pipeline.sizes import parse_size

    for module in _NEEDED:
        require(
            module,
            feature="affect-pipe serve",
            extra="app",
            instead="affect-pipe batch works without it.",
        )
    from affect_pipe.serving.server import Place, names_of, serve

    batch = _asked(arguments)
    assert batch.settings.cache_dir is not None
    serve(
        batch,
        Place(arguments.host, arguments.port, names_of(arguments.allow_host)),
        batch.settings.cache_dir,
        max_upload_bytes=parse_size(arguments.max_upload),
        max_disk_bytes=parse_size(arguments.max_disk),
        ready=_ready,
        tell=tell,
        debug=arguments.debug,
    )
    return STOPPED


def _ready(url: str) -> None:
    with standard_output():
        print(url, flush=True)
    tell("drop videos on the page at this address; Ctrl-C ends the server.")


def _asked(arguments: argparse.Namespace) -> Batch:
    from affect_pipe.batch import Batch, BatchOptions
    from affect_pipe.commands.batch import workers_of
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.pipeline.settings import load_settings
    from affect_pipe.pipeline.sizes import parse_size

    for name in ("transcript", "diarisation"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name} belongs to one video: drop it on the page with the video.")
    flags = {name: getattr(arguments, name) for name in ("model", "cache_dir")}
    settings = load_settings(arguments.config, flags | word_flags(arguments))
    if settings.cache_dir is None:
        # Its own, so that a video that is deleted is deleted everywhere.
        cache = arguments.out.absolute() / "cache"
        settings = settings.model_copy(update={"cache_dir": str(cache)})
    if arguments.explain:
        from affect_pipe.pipeline.results.attention_files import check_drawing

        check_drawing()
    options = BatchOptions(
        workers=workers_of(arguments.workers),
        memory_bytes=None if arguments.memory is None else parse_size(arguments.memory),
        timeout_s=arguments.timeout,
    )
    uploads = arguments.out / "uploads"
    return Batch([uploads], arguments.out, settings, arguments.explain, options)
