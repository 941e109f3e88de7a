"""Reading the weights of a network from a file nobody vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.optional import require


def load_state(path: Path, what: str) -> dict[str, Any]:
    """Read a state dictionary: safetensors, or PyTorch's own format without running any code.

    Parameters
    ----------
    path : Path
    what : str
        Whose weights they should be, for the message: "VGGish".

    Returns
    -------
    dict of name to float tensor

    Raises
    ------
    UsageError
        If the file is damaged, or holds anything but tensors.
    """
    torch = require("torch", feature=f"the network {what}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    # torch raises whatever its readers of zip, tar and pickle do; all of it means one thing here.
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as weights of {what} ({_short(error)}): fetch it anew with "
            "`affect-pipe models pull`."
        ) from error
    if not isinstance(state, Mapping) or not all(torch.is_tensor(v) for v in state.values()):
        raise UsageError(f"{path} holds no weights of {what}: expected named tensors.")
    return {str(name): tensor for name, tensor in state.items()}


def fill(module: Any, state: Mapping[str, Any], path: Path, what: str) -> Any:
    """Give a network its weights and make it ready to be used.

    Raises
    ------
    UsageError
        If names or shapes do not fit.
    """
    try:
        module.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise UsageError(f"{path} does not fit {what}: {_short(error)}.") from error
    return module.eval().requires_grad_(False)


def width_of(state: Mapping[str, Any], name: str, path: Path, what: str) -> int:
    """Return how many outputs the layer with this weight has.

    Raises
    ------
    UsageError
        If there is no such weight.
    """
    if name not in state or state[name].ndim < 2:
        raise UsageError(f"{path} holds no weights of {what}: {name} is missing.")
    return int(state[name].shape[0])


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{text[:157]}..." if len(text) > 160 else text or type(error).__name__
