"""``affect-pipe models``: checkpoints, and the published weights that features need."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from affect_pipe.commands.common import FAILED, OK, Verbs, complain, tell
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.given import user_path
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.extractors.weights.needs import Weights


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    models = verbs.add_parser(
        "models",
        parents=[common],
        help="list checkpoints and weights; fetch, pack and load weights",
    )
    shared = argparse.ArgumentParser(add_help=False, parents=[common])
    shared.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs"
    )
    models.add_argument("--json", action="store_true", help="print JSON for programs")
    models.set_defaults(handler=_list)
    actions = models.add_subparsers(dest="action", metavar="ACTION")

    actions.add_parser("list", parents=[shared], help="what there is, and what is here")
    info = actions.add_parser("info", parents=[shared], help="all that is known of one")
    info.add_argument("name", metavar="NAME")
    info.set_defaults(handler=_info)

    pull = actions.add_parser("pull", parents=[common], help="fetch weights, with a network")
    _add_choice(pull)
    pull.set_defaults(handler=_pull)

    bundle = actions.add_parser(
        "bundle", parents=[common], help="pack weights for a machine without a network"
    )
    _add_choice(bundle)
    bundle.add_argument("--out", metavar="FILE.tar", required=True, help="the archive to write")
    bundle.set_defaults(handler=_bundle)

    load = actions.add_parser("load", parents=[common], help="unpack an archive of weights")
    load.add_argument("archive", metavar="FILE.tar")
    load.add_argument("--replace", action="store_true", help="replace other files of the same name")
    load.set_defaults(handler=_load)

    new = actions.add_parser("add", parents=[common], help="put files of your own into the store")
    new.add_argument("name", metavar="NAME", help="what settings and checkpoints call them")
    new.add_argument("path", metavar="PATH", help="a file, or the folder of one model")
    new.add_argument("--link", action="store_true", help="link to the files, do not copy them")
    new.add_argument("--replace", action="store_true", help="replace what has the name")
    new.set_defaults(handler=_add)

    remove = actions.add_parser("remove", parents=[common], help="take weights out of the store")
    remove.add_argument("names", metavar="NAME", nargs="+")
    remove.set_defaults(handler=_remove)

    verify = actions.add_parser("verify", parents=[common], help="read weights and check them")
    verify.add_argument("names", metavar="NAME", nargs="*", help="by default all that are here")
    verify.set_defaults(handler=_verify)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*", help="weights; see `models list`")
    parser.add_argument(
        "--for",
        dest="features",
        metavar="FEATURE,...",
        default="",
        help="what these features or recognisers (whisper:small) load by default",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="NAME|DIR",
        action="append",
        default=[],
        help="what the features of this checkpoint load",
    )


def _chosen(arguments: argparse.Namespace) -> tuple[Weights, ...]:
    from affect_pipe.commands.models_needed import named, needed
    from affect_pipe.extractors.weights.store import WeightsStore

    features = [name.strip() for name in arguments.features.split(",") if name.strip()]
    if not (arguments.names or features or arguments.checkpoint):
        raise UsageError(
            "name weights (see `affect-pipe models`), or say what they are for with --for FEATURE "
            "or --checkpoint NAME."
        )
    store = WeightsStore()
    chosen = {w.name: w for w in (named(store, name) for name in arguments.names)}
    chosen |= {weights.name: weights for weights in needed(features, arguments.checkpoint)}
    return tuple(chosen.values())


def _list(arguments: argparse.Namespace) -> int:
    from affect_pipe.commands.models_list import as_json, show
    from affect_pipe.extractors.weights.store import WeightsStore

    with standard_output():
        (as_json if arguments.json else show)(WeightsStore())
    return OK


def _info(arguments: argparse.Namespace) -> int:
    from affect_pipe.commands.models_list import show_one
    from affect_pipe.extractors.weights.store import WeightsStore

    with standard_output():
        show_one(WeightsStore(), arguments.name, json_text=arguments.json)
    return OK


def _pull(arguments: argparse.Namespace) -> int:
    from affect_pipe.extractors.weights.store import WeightsStore

    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    chosen, store, code = _chosen(arguments), WeightsStore(), OK
    if not chosen:
        _print("nothing to fetch: these features load no weights")
    for weights in chosen:
        try:
            here = store.look(weights)
            folder = here or store.find(weights, say=tell)
            _print(f"{weights.name}: {'is here already' if here else 'fetched'}, {folder}")
        # One that cannot be had does not keep the others from coming.
        except AffectPipeError as error:
            code = max(code, complain(error))
    return code


def _bundle(arguments: argparse.Namespace) -> int:
    from affect_pipe.extractors.weights.bundle import bundle
    from affect_pipe.extractors.weights.store import WeightsStore
    from affect_pipe.pipeline.sizes import format_size

    out = user_path(arguments.out, "the archive to write")
    manifest = bundle(WeightsStore(), _chosen(arguments), out)
    for record in manifest.weights:
        _print(f"{record.name}: {_files(len(record.files))}, {format_size(record.size)}")
    _print(f"wrote {out} ({format_size(out.stat().st_size)}); load it with `models load`")
    return OK


def _load(arguments: argparse.Namespace) -> int:
    from affect_pipe.extractors.weights.store import WeightsStore
    from affect_pipe.extractors.weights.unbundle import load

    archive = user_path(arguments.archive, "the archive")
    for one in load(WeightsStore().root, archive, replace=arguments.replace):
        state = "loaded" if one.new else "was here already"
        licence = f"; licence: {one.record.licence}" if one.record.licence else ""
        _print(f"{one.record.name}: {state}, {one.folder}{licence}")
    return OK


def _add(arguments: argparse.Namespace) -> int:
    from affect_pipe.extractors.weights.own import add as add_own
    from affect_pipe.extractors.weights.store import WeightsStore

    path = user_path(arguments.path, "what is to be added")
    folder = add_own(
        WeightsStore(), arguments.name, path, link=arguments.link, replace=arguments.replace
    )
    _print(f"{arguments.name}: added, {folder}")
    return OK


def _remove(arguments: argparse.Namespace) -> int:
    from affect_pipe.extractors.weights.own import remove
    from affect_pipe.extractors.weights.store import WeightsStore

    for name in arguments.names:
        _print(f"{name}: removed, {remove(WeightsStore(), name)}")
    return OK


def _verify(arguments: argparse.Namespace) -> int:
    from affect_pipe.extractors.weights.catalogue import wanted
    from affect_pipe.extractors.weights.own import everything, in_store, verify
    from affect_pipe.extractors.weights.store import WeightsStore

    store, code = WeightsStore(), OK
    named = [wanted(name) for name in arguments.names]
    here = [w for w in everything(store) if in_store(store, w) or store.look(w) is not None]
    for weights in named or here:
        checked = verify(store, weights)
        if checked.problems:
            code = FAILED
            _print(f"{checked.name}: NOT SOUND, {'; '.join(checked.problems)} ({checked.folder})")
        elif checked.n_files:
            n_files = _files(checked.n_files)
            _print(f"{checked.name}: sound, {n_files} checked ({checked.folder})")
        else:
            _print(f"{checked.name}: complete, no checksum is published ({checked.folder})")
    if not (named or here):
        _print(f"there are no weights on this machine (store: {store.root})")
    return code


def _files(n: int) -> str:
    return "1 file" if n == 1 else f"{n} files"


def _print(line: str) -> None:
    from affect_pipe.pipeline.results.terminal_text import printable

    with standard_output():
        print(printable(line))
