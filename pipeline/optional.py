"""Lazy imports of optional back ends, with the extra to install in the error."""

from __future__ import annotations

import importlib
import importlib.metadata
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
