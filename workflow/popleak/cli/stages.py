"""The command line: one subcommand for each stage, so that a person can run what a rule runs. Other commands are in
`tools`.

A stage's options are the parameters of its module's `run` (`options`). Heavy imports happen after the thread counts
are set, because torch and BLAS read them once, on import. Only the requested stage is imported.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .. import __version__
from ..core import accounting, extras, trouble
from ..core.errors import PopleakError
from ..steps import STAGES
from ..store.schema import TABLES
from . import audit, own, pareto, release, tools

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, or 2 after a line that states the problem and the remedy; a command may have one of its own."""
    words = list(sys.argv[1:] if argv is None else argv)
    stage = words[0] if words and words[0] in STAGES else None
    arguments = argparse.Namespace()
    try:
        _set_threads(words if stage else [])
        os.environ.setdefault(
            "PYDANTIC_DISABLE_PLUGINS", "__all__"
        )  # it would read what every installed package offers
        if stage:
            accounting.start(_module(stage))
        parser(stage).parse_args(words, arguments)
        if stage:
            run = import_module(_module(stage)).run
            run(**called(run, arguments))
            print(accounting.line(stage, arguments.step), file=sys.stderr)
        else:
            return arguments.run(arguments) or 0
    except PopleakError as error:
        print(f"popleak: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        said = extras.line(error)
        if said is None:
            raise
        print(f"popleak: {said}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `popleak list attacks | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except trouble.EXPECTED as error:
        print(f"popleak: {trouble.line(error, arguments)}", file=sys.stderr)
        return 2
    return 0


def parser(stage: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands, with the options of one stage. Those of other stages are unknown unless they
    are imported."""
    found = argparse.ArgumentParser(
        prog="popleak", description="What a released model gives away about its training population."
    )
    found.add_argument("--version", action="version", version=f"popleak {__version__}")
    commands = found.add_subparsers(required=True, metavar="command")
    tools.add(commands)
    audit.add(commands)
    pareto.add(commands)
    own.add(commands)
    release.add(commands)
    for name in STAGES:
        about = f"run one step of the stage `{name}`; its rule's shell line shows the arguments"
        one = commands.add_parser(name, help=about, description=about, parents=[_threads()])
        if name != stage:
            continue
        one.add_argument("--step", required=True, help="the step's id")
        one.add_argument("--settings", required=True, help="the step's settings, as JSON")
        one.add_argument("--code", default="unknown", help="digest of the code, kept in the file's metadata")
        for option, how in options(import_module(_module(name)).run):
            one.add_argument(f"--{option.replace('_', '-')}", **how)
    return found


def _module(stage: str) -> str:
    return f"popleak.stages.{stage}"


def _threads() -> argparse.ArgumentParser:
    """Return the parser of what must be known before a stage is imported."""
    found = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    found.add_argument("--threads", type=int, default=1, help="threads of torch and BLAS")
    return found


def _set_threads(words: Sequence[str]) -> None:
    count = _threads().parse_known_args(words)[0].threads
    for name in THREAD_VARIABLES:
        os.environ[name] = str(count)


COMMON = ("settings", "step", "code", "threads")
"""What each stage is given, by options that do not depend on its signature."""


def options(run: Callable[..., Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the options that the parameters of a stage's `run` make, with the arguments of `add_argument`.

    A path is one file, a sequence of paths several files. A parameter with a default is optional. A mapping of paths
    takes public tables, each with an option of its name. The fields of a dataclass become options by the same rules.
    """
    for name, kind, default in _parameters(run):
        if name in COMMON:
            continue
        required = default is inspect.Parameter.empty
        more = {"required": True} if required else {"default": default}
        if _is_group(kind):
            yield from options(kind)
        elif typing.get_origin(kind) is Mapping:
            yield from ((table, {"type": Path}) for table in TABLES)
        elif typing.get_origin(kind) is Sequence:
            yield name, {"type": Path, "nargs": "+" if required else "*", **more}
        elif kind is bool:
            yield name, {"action": argparse.BooleanOptionalAction, **more}
        elif typing.get_origin(kind) is typing.Literal:
            yield name, {"choices": typing.get_args(kind), **more}
        else:
            yield name, {"type": int if kind is int else Path, **more}


def called(run: Callable[..., Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of a stage's `run` from those of the command line. Raises PopleakError for settings that
    do not belong to the stage."""
    found = {}
    for name, kind, _ in _parameters(run):
        if name == "settings":
            found[name] = kind.parse(arguments.settings)
        elif _is_group(kind):
            found[name] = kind(**called(kind, arguments))
        elif typing.get_origin(kind) is Mapping:
            found[name] = tools.named_tables(arguments)
        else:
            found[name] = getattr(arguments, name)
    return found


def _is_group(kind: Any) -> bool:
    """Return whether a parameter is a dataclass, whose fields are options."""
    return dataclasses.is_dataclass(kind)


def _parameters(run: Callable[..., Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, type and default of each parameter of a stage's `run`, or of each field of a dataclass."""
    hints = typing.get_type_hints(run)
    for name, one in inspect.signature(run).parameters.items():
        yield name, hints[name], one.default
