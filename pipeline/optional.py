"""Lazy imports of optional back ends, with the extra to install in the error."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
from types import ModuleType

from affect_pipe.pipeline.errors import MissingDependencyError


def require(
    module: str, *, feature: str, extra: str | None = None, instead: str = ""
) -> ModuleType:
    """Import ``module`` or say in one sentence how to get it.

    Parameters
    ----------
    module : str
        Dotted module name.
    feature : str
        What the user asked for that needs it, as it reads in a sentence.
    extra : str, optional
        The extra of affect-pipe that installs it; None for a core dependency.
    instead : str
        What works without it, as a sentence.

    Raises
    ------
    MissingDependencyError
        If the import fails.
    """
    # From 1.29 on it reports to its makers unless told not to before it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = f"affect-pipe[{extra}]" if extra else "--force-reinstall affect-pipe"
        target = f'"{package}"' if extra else package
        message = f"{feature} needs the module {module!r}, which cannot be imported ({error}): "
        message += f"pip install {target}."
        raise MissingDependencyError(f"{message} {instead}".strip()) from error


def backend_version(distribution: str, *, extra: str | None = None) -> str:
    """Return ``"<distribution> <version>"`` of an installed library without importing it.

    Parameters
    ----------
    distribution : str
    extra : str, optional
        The extra of affect-pipe that installs it; None for a core dependency.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError as error:
        target = f'"affect-pipe[{extra}]"' if extra else "--force-reinstall affect-pipe"
        raise MissingDependencyError(
            f"{distribution} is not installed: pip install {target}."
        ) from error


def why_no_torchvision() -> str | None:
    """Say why the torchvision that is installed cannot be used; None if it can, or there is none.

    Its compiled operators belong to one build of torch. Beside another it cannot be imported, and
    then transformers, which takes it where it finds it, loads no model at all.

    Returns
    -------
    str or None
        A clause without a full stop, and what to do.
    """
    if importlib.util.find_spec("torchvision") is None:
        return None
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        return torchvision_misfit(error)
    return None


def torchvision_misfit(error: Exception) -> str:
    """Say that torchvision and torch are not from one place, by the error of importing them."""
    told = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return (
        f"torchvision does not fit {backend_version('torch')} ({told}): install both from one "
        "place, for example pip install --force-reinstall torch torchvision --index-url "
        "https://download.pytorch.org/whl/cpu, or pip uninstall torchvision where nothing needs it"
    )
