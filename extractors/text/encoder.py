"""Encoders in the layout of the Hugging Face hub: a folder's configuration, weights and tokeniser.

Nothing of a folder is run: no code of its own, no pickles beyond tensors. Nothing is fetched.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from affect_pipe.extractors.weights.catalogue import ENCODER
from affect_pipe.pipeline.errors import MissingDependencyError, UsageError
from affect_pipe.pipeline.optional import require, why_no_torchvision

SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLED_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# What the families of models call the width of their layers.
_WIDTHS = ("hidden_size", "dim", "d_model", "n_embd", "emb_dim")


def read_config(folder: Path) -> dict[str, Any]:
    """Return a model's configuration; loads no library.

    Raises
    ------
    UsageError
        If there is none, or it is no JSON object.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder} is no Hugging Face model folder (config.json: {error}): name one that "
            "save_pretrained wrote."
        ) from error
    if not isinstance(config, dict):
        raise UsageError(f"{folder / 'config.json'} holds no settings: it is no model folder.")
    return config


def width(folder: Path) -> int:
    """Return the width of a model's layers by its configuration.

    Raises
    ------
    UsageError
        If the configuration does not say.
    """
    config = read_config(folder)
    nested = config.get("text_config")
    for place in (config, nested if isinstance(nested, dict) else {}):
        for name in _WIDTHS:
            if isinstance(place.get(name), int) and place[name] > 0:
                return int(place[name])
    raise UsageError(
        f"the configuration of the model in {folder} gives no width of its layers "
        f"({', '.join(_WIDTHS)}): it is no text encoder that this program knows."
    )


def used_files(folder: Path) -> tuple[str, ...]:
    """Return the names of the files that decide what an encoder computes, in order."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    safe = any(name in SAFE_WEIGHTS for name in names)
    pickled = (
        ()
        if safe
        else tuple(
            n
            for n in names
            if n.startswith("pytorch_model") and n.endswith((".bin", ".bin.index.json"))
        )
    )
    return tuple(name for name in names if ENCODER.covers(name) or name in pickled)


def load_encoder(folder: Path, feature: str) -> tuple[Any, Any]:
    """Return the tokeniser and the model of a folder, in float32, not training, on the CPU.

    Raises
    ------
    MissingDependencyError
        If a library is missing, or torchvision is there and does not fit torch.
    UsageError
        If they cannot be loaded, need code of their own, decode rather than encode, or lack some
        of the weights: transformers would fill them with random numbers.
    """
    transformers = require("transformers", feature=feature)
    only_here = {"local_files_only": True, "trust_remote_code": False}
    safe = any((folder / name).is_file() for name in SAFE_WEIGHTS)
    with _quiet(transformers):
        try:
            config = transformers.AutoConfig.from_pretrained(folder, **only_here)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **only_here)
            if getattr(config, "is_encoder_decoder", False):
                raise UsageError(
                    f"the model in {folder} ({config.model_type}) reads and writes text: the "
                    f"{feature} takes encoders such as BERT."
                )
            model, report = transformers.AutoModel.from_pretrained(
                folder, config=config, use_safetensors=safe, weights_only=True,
                output_loading_info=True, **only_here,
            )  # fmt: skip
        except UsageError:
            raise
        # Each family of models, tokenisers and file formats raises errors of its own.
        except Exception as error:
            misfit = why_no_torchvision()
            if misfit is not None:
                raise MissingDependencyError(
                    f"the {feature} cannot load its model, for {misfit}."
                ) from error
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UsageError(
                f"the model in {folder} cannot be loaded as a Hugging Face encoder: {reason}"
            ) from error
    # The pooler of BERT serves its next-sentence task; fine-tuned files often lack it.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise UsageError(
            f"the weights in {folder} lack {len(missing)} of the model's tensors, such as "
            f"{missing[0]}: save the whole encoder with save_pretrained."
        )
    return tokenizer, model.float().eval()


def distinct_layers(layers: Sequence[int]) -> tuple[int, ...]:
    """Return numbers of layers in ascending order.

    Raises
    ------
    UsageError
        If there is none, one comes twice, or one is below 0.
    """
    found = tuple(sorted(int(layer) for layer in layers))
    if not found or found[0] < 0 or len(set(found)) < len(found):
        raise UsageError(
            f"layers {list(layers)}: expected one or more different numbers, 0 (the embeddings) "
            "or above."
        )
    return found


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the library from reporting what is checked here, for the moment."""
    log = transformers.utils.logging
    before = log.get_verbosity()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
