"""The command line: one subcommand a stage, so that what a rule runs, a person can run. Commands on the whole: `tools`.

Heavy imports happen inside the commands, after the thread counts are set: torch and BLAS read them once, on import.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..core import accounting, trouble
from ..core.errors import PopleakError
from ..store.schema import TABLES
from . import audit, tools

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
MODULES = {"report": "popleak.report.build"}  # stages whose module is elsewhere


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0, or 2 after a line that says what is wrong and the remedy."""
    arguments = argparse.Namespace()
    try:
        _parser().parse_args(argv, arguments)
        for name in THREAD_VARIABLES:
            os.environ[name] = str(getattr(arguments, "threads", 1))
        os.environ.setdefault(
            "PYDANTIC_DISABLE_PLUGINS", "__all__"
        )  # it would read what every installed package offers
        stage = getattr(arguments, "stage", None)
        if stage:
            accounting.start(MODULES.get(stage, f"popleak.stages.{stage}"))
        arguments.run(arguments)
        if stage:
            print(accounting.line(stage, arguments.step), file=sys.stderr)
    except PopleakError as error:
        print(f"popleak: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `popleak list attacks | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except trouble.EXPECTED as error:
        print(f"popleak: {trouble.line(error, arguments)}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="popleak", description="What a released model gives away about its training population."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    tools.add(commands)
    audit.add(commands)
    one, many = {"type": Path, "required": True}, {"type": Path, "required": True, "nargs": "+"}
    _stage(commands, "dataset", _dataset, files={"type": Path, "nargs": "*", "default": []}, output=one)
    _stage(commands, "split", _split, data=one, output=one)
    _stage(commands, "draw", _draw, data=one, pools=one, output=one)
    some = {"type": Path, "nargs": "*", "default": []}
    roles, engine = (
        {"victims": one, "shadows": one},
        {"stack": {"type": int, "default": 32}, "device": {"default": "cpu"}, "backend": {"default": "auto"}},
    )
    reuse = {"reuse": {"action": argparse.BooleanOptionalAction, "default": True}}
    _stage(commands, "train", _train, data=one, draw=many, **roles, **engine, **reuse)
    _stage(
        commands, "defend", _defend, data=one, draw=many, complement=some, base_victims=many, base_shadows=many,
        **roles, **engine, **reuse,
    )  # fmt: skip
    models = {"victim_models": some, "shadow_models": some}
    _stage(commands, "query", _query, data=one, points=one, **models, **roles, **engine)
    _stage(
        commands, "measure", _measure, data=one, pools=one, victim_models=many, shadows=one, models=one, bounds=one, **engine
    )  # fmt: skip
    for stage in ("attack", "regress"):
        _stage(commands, stage, _attack, points=one, **roles, **models, draw=some, data={"type": Path}, output=one)
    tables = {name: {"type": Path} for name in TABLES}
    _stage(commands, "tables", _tables, **tables, parts={"type": Path, "nargs": "*", "default": []}, output=one)
    _stage(commands, "figures", _figures, **tables, stem=one)
    _stage(
        commands, "report", _report, **tables, figures={"type": Path, "nargs": "*", "default": []},
        cards={"type": Path, "nargs": "*", "default": []}, output=one,
    )  # fmt: skip
    return parser


def _stage(commands, name: str, run: Callable, **options: dict) -> None:
    parser = commands.add_parser(
        name, help=f"run one step of the stage `{name}`; its rule's shell line shows the arguments"
    )
    parser.add_argument("--step", required=True, help="the step's id")
    parser.add_argument("--settings", required=True, type=trouble.given, help="the step's settings, as JSON")
    parser.add_argument("--code", default="unknown", help="digest of the code, kept in the file's metadata")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch and BLAS")
    for option, how in options.items():
        parser.add_argument(f"--{option.replace('_', '-')}", **how)
    parser.set_defaults(run=run, stage=name)


def _common(arguments: argparse.Namespace) -> dict:
    return {"settings": arguments.settings, "step": arguments.step, "code": arguments.code}


def _dataset(arguments: argparse.Namespace) -> None:
    from ..stages import dataset

    files = dict(trouble.paired(arguments.settings.get("files", []), arguments.files, "files"))
    dataset.run(**_common(arguments), files=files, output=arguments.output)


def _split(arguments: argparse.Namespace) -> None:
    from ..stages import split

    split.run(**_common(arguments), data=arguments.data, output=arguments.output)


def _draw(arguments: argparse.Namespace) -> None:
    from ..stages import draw

    draw.run(**_common(arguments), data=arguments.data, pools=arguments.pools, output=arguments.output)


def _how(arguments: argparse.Namespace):
    from ..stages.train import How

    reuse = getattr(arguments, "reuse", True)
    return How(arguments.stack, arguments.threads, arguments.device, reuse, arguments.backend)


def _roles(arguments: argparse.Namespace, name: str = "{}s") -> dict:
    """Return the files by role."""
    return {role: getattr(arguments, name.format(role)) for role in ("victim", "shadow")}


def _train(arguments: argparse.Namespace) -> None:
    from ..stages import train

    train.run(
        **_common(arguments),
        data=arguments.data,
        draws=arguments.draw,
        outputs=_roles(arguments),
        how=_how(arguments),
    )


def _defend(arguments: argparse.Namespace) -> None:
    from ..stages import defend

    defend.run(
        **_common(arguments),
        data=arguments.data,
        draws=arguments.draw,
        complement=arguments.complement,
        models=_roles(arguments, "base_{}s"),
        outputs=_roles(arguments),
        how=_how(arguments),
    )


def _query(arguments: argparse.Namespace) -> None:
    from ..stages import query

    query.run(
        **_common(arguments),
        data=arguments.data,
        points=arguments.points,
        models=_roles(arguments, "{}_models"),
        outputs=_roles(arguments),
        how=_how(arguments),
    )


def _measure(arguments: argparse.Namespace) -> None:
    from ..stages import measure

    outputs = {"models": arguments.models, "bounds": arguments.bounds}
    measure.run(
        **_common(arguments),
        data=arguments.data,
        pools=arguments.pools,
        victims=arguments.victim_models,
        shadows=arguments.shadows,
        outputs=outputs,
        how=_how(arguments),
    )


def _attack(arguments: argparse.Namespace) -> None:
    from importlib import import_module

    from ..threat.seen import Files

    files = Files(arguments.points, _roles(arguments), _roles(arguments, "{}_models"), arguments.draw, arguments.data)
    stage = import_module(f"popleak.stages.{arguments.stage}")
    stage.run(**_common(arguments), files=files, output=arguments.output)


def _tables(arguments: argparse.Namespace) -> None:
    from ..stages import tables

    tables.run(
        **_common(arguments), parts=arguments.parts, tables=tools.named_tables(arguments), output=arguments.output
    )


def _figures(arguments: argparse.Namespace) -> None:
    from ..stages import figures

    figures.draw(
        name=arguments.settings["figure"],
        tables=tools.named_tables(arguments),
        stem=arguments.stem,
        tau=arguments.settings["tau"],
    )


def _report(arguments: argparse.Namespace) -> None:
    from ..report import build as report
    from ..store import parquet as store

    facts = [_card(path) for path in arguments.cards]
    report.write(
        experiment=arguments.settings["experiment"],
        tables=tools.named_tables(arguments),
        figures=trouble.paired(arguments.settings["figures"], arguments.figures, "figures"),
        absent=arguments.settings["absent"],
        cautions=arguments.settings["cautions"],
        cards=[{**fact["card"], "dataset": fact["settings"]["dataset"], **fact["facts"]} for fact in facts],
        versions=store.facts(arguments.models)["versions"],
        output=arguments.output,
    )


def _card(path: Path) -> dict:
    from ..store import parquet as store

    found = store.facts(path)
    if found.get("stage") != "dataset":
        raise PopleakError(f"{path}: no table of the stage dataset: --cards takes those")
    return found
