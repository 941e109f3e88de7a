"""The program itself, as Ray's runtime environment takes it to the nodes."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PACKAGE = "affect_pipe"
_LEFT_OUT = ("__pycache__", "*.pyc", ".*")


@contextmanager
def code_to_ship() -> Iterator[list[str]]:
    """Give the folders to name as ``py_modules``; they last until the end of the context.

    The code that runs here, with its weights, from a wheel or a checkout alike, and the record of
    its version, which decides with other things whether a result is still what would come out.
    """
    # The package has several parts and no file of its own: it is where this part of it is.
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(prefix="affect-pipe-") as folder:
        package = Path(folder, _PACKAGE)
        package.mkdir()
        for path in sorted(root.iterdir()):
            if path.suffix == ".py":
                shutil.copy2(path, package)
            elif (path / "__init__.py").is_file():
                ignore = shutil.ignore_patterns(*_LEFT_OUT)
                shutil.copytree(path, package / path.name, ignore=ignore)
        yield [str(package), *_version_record(Path(folder))]


def _version_record(folder: Path) -> list[str]:
    """Write what `importlib.metadata` looks for; nothing where the program is not installed."""
    try:
        version = importlib.metadata.version("affect-pipe")
    except importlib.metadata.PackageNotFoundError:
        return []
    record = folder / f"{_PACKAGE}-{version}.dist-info"
    record.mkdir()
    text = f"Metadata-Version: 2.1\nName: affect-pipe\nVersion: {version}\n"
    (record / "METADATA").write_text(text, "utf-8")
    return [str(record)]
