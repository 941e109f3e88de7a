"""Checking the settings a user gives a feature against what its constructor takes."""

from __future__ import annotations

import difflib
import inspect
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union

from pydantic import TypeAdapter, ValidationError

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

# Arguments that are no settings: where weights lie is this machine's affair.
_NOT_SETTINGS = frozenset({"folder"})
_ONE = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}
_SEVERAL = {int: "different whole numbers", float: "different numbers", str: "different names"}


def check_settings(name: str, extractor: type, given: Mapping[str, Any]) -> None:
    """Refuse settings a feature does not have, and values of another kind than it takes.

    Nothing is converted: the text "5" is no number, 1.5 no whole number, and true neither. Whole
    numbers pass for numbers. Whether a value of the right kind is in range is the constructor's
    to say.

    Parameters
    ----------
    name : str
        The feature, for the messages.
    extractor : type
        Its class; the annotations of its constructor decide.
    given : mapping

    Raises
    ------
    UsageError
        In one sentence that names the feature, the setting, the value and what is expected.
    """
    known = [k for k in inspect.signature(extractor).parameters if k not in _NOT_SETTINGS]
    kinds = typing.get_type_hints(extractor.__init__)  # type: ignore[misc]
    for setting, value in given.items():
        if setting not in known:
            near = difflib.get_close_matches(str(setting), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}."
            raise UsageError(f"{name} has no setting {quoted(setting)}: {hint}")
        if not _fits(value, kinds[setting]):
            raise UsageError(
                f"{name}: {setting} is {_shown(value)}: expected {_expected(kinds[setting])}."
            )


def _fits(value: object, kind: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except (ValidationError, OverflowError):
        return False
    if isinstance(value, Sequence) and not isinstance(value, str):
        # A name twice is a slip, and no feature has a meaning for it.
        return all(map(_is_finite, value)) and len(set(value)) == len(value)
    return _is_finite(value)


def _is_finite(value: object) -> bool:
    try:
        return not isinstance(value, int | float) or math.isfinite(value)
    except OverflowError:  # a whole number beyond what floating point can hold
        return False


def _shown(value: object) -> str:
    """Return a value as JSON has it, where Python writes it otherwise."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return quoted(list(value) if isinstance(value, tuple) else value)


def _expected(kind: Any) -> str:
    """Say in words what an annotation takes: "a number or null"."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_expected, arguments))
    if origin is Literal:
        return " or ".join(repr(argument) for argument in arguments)
    if origin is not None:
        return f"a list of {_SEVERAL[arguments[0]]}"
    return _ONE[kind]
