"""The command line: one subcommand a stage, so that what a rule runs, a person can run; and what tells of the whole.

Heavy imports happen inside the commands, after the thread counts are set: torch and BLAS read them once, on import.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import accounting
from .errors import PopleakError
from .schema import TABLES

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
MODULES = {"figures": "figure"}  # stages whose module bears another name
LISTS = ("datasets", "models", "defences", "attacks", "figures", "experiments")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0, or 2 after a line that says what is wrong and the remedy."""
    arguments = _parser().parse_args(argv)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(getattr(arguments, "threads", 1))
    stage = getattr(arguments, "stage", None)
    try:
        if stage:
            accounting.start(f"{__package__}.{MODULES.get(stage, stage)}")
        arguments.run(arguments)
        if stage:
            print(accounting.line(stage, arguments.step), file=sys.stderr)
    except PopleakError as error:
        print(f"popleak: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `popleak list attacks | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="popleak", description="What a released model gives away about its training population."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_list(commands)
    _add_init(commands)
    _add_check(commands)
    _add_plan(commands)
    _add_power(commands)
    _add_schema(commands)
    _add_docs(commands)
    _add_readme(commands)
    _add_data(commands)
    _add_fetch(commands)
    _add_publish(commands)
    _add_verify(commands)
    _add_prune(commands)
    one, many = {"type": Path, "required": True}, {"type": Path, "required": True, "nargs": "+"}
    _stage(commands, "dataset", _dataset, files={"type": Path, "nargs": "*", "default": []}, output=one)
    _stage(commands, "split", _split, data=one, output=one)
    _stage(commands, "draw", _draw, data=one, pools=one, output=one)
    roles, engine = (
        {"victims": one, "shadows": one},
        {"stack": {"type": int, "default": 32}, "device": {"default": "cpu"}},
    )
    reuse = {"reuse": {"action": argparse.BooleanOptionalAction, "default": True}}
    _stage(commands, "train", _train, data=one, draw=many, **roles, **engine, **reuse)
    _stage(
        commands, "defend", _defend, data=one, draw=many, complement=many, base_victims=many, base_shadows=many,
        **roles, **engine, **reuse,
    )  # fmt: skip
    some = {"type": Path, "nargs": "*", "default": []}
    models = {"victim_models": some, "shadow_models": some}
    _stage(commands, "query", _query, data=one, points=one, **models, **roles, **engine)
    _stage(commands, "measure", _measure, data=one, points=one, **roles, models=one, bounds=one)
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
    parser.add_argument("--settings", required=True, type=json.loads, help="the step's settings, as JSON")
    parser.add_argument("--code", default="unknown", help="digest of the code, kept in the file's metadata")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch and BLAS")
    for option, how in options.items():
        parser.add_argument(f"--{option.replace('_', '-')}", **how)
    parser.set_defaults(run=run, stage=name)


def _common(arguments: argparse.Namespace) -> dict:
    return {"settings": arguments.settings, "step": arguments.step, "code": arguments.code}


def _dataset(arguments: argparse.Namespace) -> None:
    from . import dataset

    files = dict(zip(arguments.settings.get("files", []), arguments.files, strict=True))
    dataset.run(**_common(arguments), files=files, output=arguments.output)


def _split(arguments: argparse.Namespace) -> None:
    from . import split

    split.run(**_common(arguments), data=arguments.data, output=arguments.output)


def _draw(arguments: argparse.Namespace) -> None:
    from . import draw

    draw.run(**_common(arguments), data=arguments.data, pools=arguments.pools, output=arguments.output)


def _how(arguments: argparse.Namespace):
    from .train import How

    return How(arguments.stack, arguments.threads, arguments.device, getattr(arguments, "reuse", True))


def _roles(arguments: argparse.Namespace, name: str = "{}s") -> dict:
    """Return the files by role."""
    return {role: getattr(arguments, name.format(role)) for role in ("victim", "shadow")}


def _train(arguments: argparse.Namespace) -> None:
    from . import train

    train.run(
        **_common(arguments),
        data=arguments.data,
        draws=arguments.draw,
        outputs=_roles(arguments),
        how=_how(arguments),
    )


def _defend(arguments: argparse.Namespace) -> None:
    from . import defend

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
    from . import query

    query.run(
        **_common(arguments),
        data=arguments.data,
        points=arguments.points,
        models=_roles(arguments, "{}_models"),
        outputs=_roles(arguments),
        how=_how(arguments),
    )


def _measure(arguments: argparse.Namespace) -> None:
    from . import measure

    outputs = {"models": arguments.models, "bounds": arguments.bounds}
    measure.run(
        **_common(arguments), data=arguments.data, points=arguments.points, answers=_roles(arguments), outputs=outputs
    )


def _attack(arguments: argparse.Namespace) -> None:
    from importlib import import_module

    from .seen import Files

    files = Files(arguments.points, _roles(arguments), _roles(arguments, "{}_models"), arguments.draw, arguments.data)
    stage = import_module(f".{arguments.stage}", __package__)
    stage.run(**_common(arguments), files=files, output=arguments.output)


def _named_tables(arguments: argparse.Namespace) -> dict[str, Path]:
    return {name: getattr(arguments, name) for name in TABLES if getattr(arguments, name, None) is not None}


def _tables(arguments: argparse.Namespace) -> None:
    from . import tables

    tables.run(**_common(arguments), parts=arguments.parts, tables=_named_tables(arguments), output=arguments.output)


def _figures(arguments: argparse.Namespace) -> None:
    from . import figure

    figure.draw(
        name=arguments.settings["figure"],
        tables=_named_tables(arguments),
        stem=arguments.stem,
        tau=arguments.settings["tau"],
    )


def _report(arguments: argparse.Namespace) -> None:
    from . import report, store

    facts = [store.facts(path) for path in arguments.cards]
    report.write(
        experiment=arguments.settings["experiment"],
        tables=_named_tables(arguments),
        figures=list(zip(arguments.settings["figures"], arguments.figures, strict=True)),
        absent=arguments.settings["absent"],
        cards=[{**fact["card"], "dataset": fact["settings"]["dataset"], **fact["facts"]} for fact in facts],
        versions=store.facts(arguments.models)["versions"],
        output=arguments.output,
    )


def _add_list(commands) -> None:
    parser = commands.add_parser("list", help="what there is, a line each")
    parser.add_argument("what", choices=LISTS)
    parser.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> None:
    if arguments.what == "experiments":
        rows = [(path.stem, _title(path)) for path in experiment_files()]
    else:
        from . import plugins

        rows = [(name, plugins.load(arguments.what, name).summary) for name in plugins.names(arguments.what)]
    width = max((len(name) for name, _ in rows), default=0)
    for name, summary in rows:
        print(f"{name:<{width}}  {summary}")


def experiment_files() -> list[Path]:
    """Return the experiments of the checkout that this command runs in: config.yaml and workflow/experiments/*.yaml."""
    here = [Path("config.yaml"), *sorted(Path("workflow/experiments").glob("*.yaml"))]
    found = [path for path in here if path.is_file()]
    if not found:
        raise PopleakError("no config.yaml and no workflow/experiments here: run this in the root of the checkout")
    return found


def _title(path: Path) -> str:
    from . import config

    return f"{config.read(path).get('title', '')}  ({path})"


def experiment_of(configfiles: Sequence[Path]):
    """Return the validated experiment of config.yaml with overlays over it, as `snakemake --configfile` merges them."""
    from . import config

    raw = config.read("config.yaml")
    for path in configfiles:
        raw = config.merge(raw, config.read(path))
    return config.load(raw)


def _add_configfile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], help="overlays over config.yaml, as for snakemake"
    )


def _add_init(commands) -> None:
    parser = commands.add_parser("init", help="propose a config for a table of your own; nothing is overwritten")
    parser.add_argument("table", type=Path, help="delimited text (.csv, .tsv, ..., also packed) or Parquet")
    parser.add_argument("--label", help="column to predict; guessed unless given")
    parser.add_argument("--group", help="column of the sensitive attribute; guessed unless given")
    parser.add_argument("--output", type=Path, help="config to write; by default the table's name with .yaml, here")
    parser.set_defaults(run=_init)


def _init(arguments: argparse.Namespace) -> None:
    from . import propose

    print(propose.write(arguments.table, label=arguments.label, group=arguments.group, output=arguments.output))


def _add_check(commands) -> None:
    parser = commands.add_parser("check", help="before a run: all that is wrong or doubtful in own tables and sizes")
    _add_configfile(parser)
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> None:
    from . import check

    for line in check.run(experiment_of(arguments.configfile)):
        print(line, flush=True)


def _add_plan(commands) -> None:
    parser = commands.add_parser("plan", help="before a run: jobs by stage, models to train, time and disk")
    _add_configfile(parser)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="cores that the run will have")
    parser.set_defaults(run=_plan)


def _plan(arguments: argparse.Namespace) -> None:
    from . import estimate, plan

    whole = plan.build(experiment_of(arguments.configfile))
    print("\n".join(estimate.lines(whole, estimate.calibrate(), arguments.cores)))
    if whole.fetches:
        print(f"to fetch: {', '.join(whole.fetches)}")
    print("".join(f"{line}\n" for line in whole.notices()), end="")


def _add_power(commands) -> None:
    parser = commands.add_parser(
        "power",
        help="before a run: the victims that an interval's width needs, and the advantage that a number detects",
    )
    expected = parser.add_mutually_exclusive_group()
    expected.add_argument("--accuracy", type=float, help="expected accuracy of the attack; 0.75 unless given")
    expected.add_argument("--advantage", type=float, help="expected TPR - FPR; widths are then of the advantage")
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--width", type=float, default=0.1, help="wanted median width of the interval")
    wanted.add_argument("--victims", type=int, help="victims a split and world, to see what they give")
    parser.add_argument("--splits", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument(
        "--correlation", type=float, nargs="+",
        help="of being named rightly, between victims of one split; 0 0.02 0.1 unless given (with one split 0)",
    )  # fmt: skip
    parser.add_argument("--level", type=float, default=0.95, help="of the interval; tests are at 1 - level")
    parser.add_argument("--power", type=float, default=0.8, help="probability of finding the detectable advantage")
    parser.set_defaults(run=_power)


def _power(arguments: argparse.Namespace) -> None:
    from .measures import power

    scale, accuracy = 1.0, 0.75 if arguments.accuracy is None else arguments.accuracy
    if arguments.advantage is not None:
        if not -1.0 < arguments.advantage < 1.0:
            raise PopleakError(f"advantage must lie between -1 and 1, not {arguments.advantage:g}")
        scale, accuracy = 2.0, (1.0 + arguments.advantage) / 2.0
    plans = [
        power.plan(
            accuracy=accuracy, splits=splits, correlation=correlation, level=arguments.level, power=arguments.power,
            **({"width": arguments.width / scale} if arguments.victims is None else {"per_split": arguments.victims}),
        )
        for splits in arguments.splits
        for correlation in arguments.correlation or ((0.0, 0.02, 0.1) if splits > 1 else (0.0,))
    ]  # fmt: skip
    print("\n".join(power.lines(plans, scale=scale)))


def _add_schema(commands) -> None:
    parser = commands.add_parser("schema", help="print the JSON Schema of the config")
    parser.set_defaults(run=_schema)


def _schema(arguments: argparse.Namespace) -> None:
    from . import config

    print(json.dumps(config.schema(), indent=2, ensure_ascii=False))


def _add_docs(commands) -> None:
    parser = commands.add_parser("docs", help="write the reference pages (config, tables, plugins) into a folder")
    parser.add_argument("folder", type=Path)
    parser.set_defaults(run=_docs)


def _docs(arguments: argparse.Namespace) -> None:
    from . import reference

    reference.write(arguments.folder)


def _add_readme(commands) -> None:
    parser = commands.add_parser("readme", help="write an experiment's results into the README, between its markers")
    parser.add_argument("--title", required=True)
    parser.add_argument("--tau", type=float, required=True)
    for option in ("figure", "models", "leakage", "bounds", "claims", "folder", "readme"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    parser.add_argument("--cards", type=Path, nargs="+", required=True, help="files of the stage `dataset`")
    parser.add_argument("--absent", nargs="*", default=[], help="what was left out since a raw file is not there")
    parser.set_defaults(run=_readme)


def _readme(arguments: argparse.Namespace) -> None:
    from . import readme

    readme.write(
        title=arguments.title,
        tau=arguments.tau,
        tables=_named_tables(arguments),
        cards=arguments.cards,
        absent=arguments.absent,
        figure=arguments.figure,
        folder=arguments.folder,
        readme=arguments.readme,
    )


def _add_data(commands) -> None:
    parser = commands.add_parser("data", help="which raw files of an experiment are here, and which a run would fetch")
    _add_configfile(parser)
    parser.set_defaults(run=_data)


def _data(arguments: argparse.Namespace) -> None:
    from . import plan

    whole = plan.build(experiment_of(arguments.configfile))
    for step in whole.steps["dataset"].values():
        for path in step.inputs["files"]:
            state = "here" if Path(path).exists() else "to fetch" if path in whole.fetches else "missing"
            print(f"{step.settings['dataset']:<12} {state:<9} {path}")
        if not step.inputs["files"]:
            print(f"{step.settings['dataset']:<12} {'generated':<9} -")
    print("".join(f"{line}\n" for line in whole.notices()), end="")


def _add_publish(commands) -> None:
    parser = commands.add_parser(
        "publish", help="copy finished files from the store to the experiment's folder, checked"
    )
    parser.add_argument("--files", type=Path, nargs="+", required=True)
    parser.add_argument("--outputs", type=Path, nargs="+", required=True, help="where each file goes")
    parser.set_defaults(run=_publish)


def _publish(arguments: argparse.Namespace) -> None:
    from . import publish

    publish.run(files=arguments.files, outputs=arguments.outputs)


def _add_verify(commands) -> None:
    parser = commands.add_parser(
        "verify", help="read an experiment's finished files: are they whole, and of this config?"
    )
    _add_configfile(parser)
    parser.set_defaults(run=_verify)


def _verify(arguments: argparse.Namespace) -> None:
    from . import inventory, plan

    whole = plan.build(experiment_of(arguments.configfile))
    found = inventory.verify(whole)
    if found.problems:
        raise PopleakError("\npopleak: ".join(found.problems))
    print(f"{found.whole} files are whole and of this config, {found.absent} are not made yet")


def _add_prune(commands) -> None:
    parser = commands.add_parser(
        "prune",
        help="list the files of results/store that no experiment here needs: of other settings, or of earlier code",
    )
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        help="further experiments whose files are needed, each an overlay",
    )
    parser.add_argument("--delete", action="store_true", help="delete them")
    parser.set_defaults(run=_prune)


def _prune(arguments: argparse.Namespace) -> None:
    from . import inventory, plan

    overlays = [[path] for path in (*experiment_files(), *arguments.configfile) if path.name != "config.yaml"]
    found = inventory.unused([plan.build(experiment_of(paths)) for paths in ([], *overlays)])
    size = sum(path.stat().st_size for path in found)
    for path in found:
        if arguments.delete:
            path.unlink()
        else:
            print(path)
    print(f"{len(found)} files, {size / 1e6:.1f} MB: {'deleted' if arguments.delete else 'delete them with --delete'}")


def _add_fetch(commands) -> None:
    parser = commands.add_parser("fetch", help="fetch one raw file from its publisher, checked, whole or not at all")
    parser.add_argument("--dataset", required=True)
    parser.add_argument(
        "--source", required=True, type=json.loads, help="the source, as JSON: file, url, sha256, member"
    )
    parser.add_argument("--output", required=True, type=Path)
    parser.set_defaults(run=_fetch)


def _fetch(arguments: argparse.Namespace) -> None:
    from .datasets._fetch import fetch
    from .datasets.base import Source

    fetch(Source(**arguments.source), arguments.output)
