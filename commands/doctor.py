"""``affect-pipe doctor``."""

from __future__ import annotations

import argparse

from affect_pipe.commands.common import FAILED, OK, Verbs, hush_back_ends
from affect_pipe.pipeline.results.standard_output import standard_output


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    doctor = verbs.add_parser(
        "doctor", parents=[common], help="say what can run here, and what to do where it cannot"
    )
    doctor.add_argument("--cache-dir", help="cache folder or URL to check")
    doctor.set_defaults(handler=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    from affect_pipe.doctor import diagnose

    checks = diagnose(arguments.cache_dir)
    with standard_output():
        for check in checks:
            print(check.line())
    return FAILED if any(check.needed and not check.ok for check in checks) else OK
