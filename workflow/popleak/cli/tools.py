"""Commands on a whole experiment, on data and on the store; for the stages' commands see `cli`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ..core import home, plugins, trouble
from ..core.errors import PopleakError
from ..store.schema import TABLES
from . import new, power, run

LISTS = (*plugins.KINDS, "experiments")


def add(commands) -> None:
    """Add the commands to a parser's subparsers."""
    run.add(commands)
    new.add(commands)
    _add_list(commands)
    _add_init(commands)
    _add_check(commands)
    _add_plan(commands)
    power.add(commands)
    _add_card(commands)
    _add_schema(commands)
    _add_docs(commands)
    _add_page(commands)
    _add_readme(commands)
    _add_data(commands)
    _add_fetch(commands)
    _add_prepare(commands)
    _add_publish(commands)
    _add_verify(commands)
    _add_prune(commands)


def named_tables(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the paths of the public tables that were given, by name."""
    return {name: getattr(arguments, name) for name in TABLES if getattr(arguments, name, None) is not None}


def _add_list(commands) -> None:
    parser = commands.add_parser("list", help="list plugins or experiments, a line each")
    parser.add_argument("what", choices=LISTS)
    parser.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> None:
    if arguments.what == "experiments":
        rows = [_described(path) for path in experiment_files()]
    else:
        rows = [(name, plugins.load(arguments.what, name).summary) for name in plugins.names(arguments.what)]
    width = max((len(name) for name, _ in rows), default=0)
    for name, summary in rows:
        print(f"{name:<{width}}  {summary}")


def experiment_files() -> list[Path]:
    """Return the experiments at hand: the default one, and those of the folder's workflow, or where it has none of this package's."""
    return [*home.bases()[-1:], *home.experiments()]


def _described(path: Path) -> tuple[str, str]:
    """Return an experiment's name, and its title with its file."""
    from ..config import resolve as config

    raw = config.read(path)
    return str(raw.get("experiment", path.stem)), f"{raw.get('title', '')}  ({path})"


def experiment_of(configfiles: Sequence[Path]):
    """Return the validated experiment of the default config with overlays over it, as `snakemake --configfile` merges them."""
    from ..config import resolve as config

    raw: dict = {}
    for path in (*home.bases(), *map(home.overlay, configfiles)):
        raw = config.merge(raw, config.read(path))
    return config.load(raw)


def add_configfile(parser: argparse.ArgumentParser) -> None:
    """Add the option that names overlays over config.yaml."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        help="files laid over config.yaml, as for snakemake; `smoke` means the experiment of that name",
    )


def _add_init(commands) -> None:
    parser = commands.add_parser("init", help="propose a config for a table of your own; existing files are kept")
    parser.add_argument("table", type=Path, help="delimited text (.csv, .tsv, ..., also compressed) or Parquet")
    parser.add_argument("--label", help="column to predict; guessed if not given")
    parser.add_argument("--group", help="column of the sensitive attribute; guessed if not given")
    parser.add_argument("--output", type=Path, help="config to write; by default the table's name with .yaml, here")
    parser.set_defaults(run=_init)


def _init(arguments: argparse.Namespace) -> None:
    from . import propose

    print(propose.write(arguments.table, label=arguments.label, group=arguments.group, output=arguments.output))


def _add_check(commands) -> None:
    parser = commands.add_parser("check", help="before a run: all problems and doubts in your own tables and in sizes")
    add_configfile(parser)
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> None:
    from . import check

    for line in check.run(experiment_of(arguments.configfile)):
        print(line, flush=True)


def _add_card(commands) -> None:
    parser = commands.add_parser(
        "card", help="write a card of your own table, for you to complete where it says unknown"
    )
    add_configfile(parser)
    parser.add_argument("--task", help="its id, if several tasks have tables of their own")
    parser.add_argument("--output", type=Path, required=True, help="the card, a new JSON file")
    parser.set_defaults(run=_card)


def _card(arguments: argparse.Namespace) -> None:
    from . import card

    for line in card.run(experiment_of(arguments.configfile), arguments.task, arguments.output):
        print(line)


def _add_plan(commands) -> None:
    parser = commands.add_parser("plan", help="before a run: jobs by stage, models to train, time and disk")
    add_configfile(parser)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="number of cores of the run")
    parser.add_argument("--nodes", type=int, nargs="+", help="numbers of cluster workers, to simulate a run on each")
    parser.add_argument(
        "--latency", type=float, default=10.0, help="seconds that a job waits for its scheduler (with --nodes)"
    )
    parser.set_defaults(run=_plan)


def _plan(arguments: argparse.Namespace) -> None:
    from ..plan import build as plan
    from ..plan import estimate, nodes, unmade
    from ..stages import publish

    if arguments.cores < 1:
        raise PopleakError(f"--cores {arguments.cores}: give the number of cores, at least 1")
    if not 0 <= arguments.latency < float("inf"):
        raise PopleakError(f"--latency {arguments.latency:g}: give seconds, 0 or more")
    whole = plan.build(experiment_of(arguments.configfile))
    speed = estimate.calibrate()
    print("\n".join(estimate.lines(whole, speed, arguments.cores)))
    if arguments.nodes:
        print("\n".join(nodes.lines(whole, speed, arguments.nodes, arguments.latency)))
    if whole.fetches:
        print(f"to fetch: {', '.join(whole.fetches)}")
    print("".join(f"{line}\n" for line in [*publish.replaced(whole), *whole.notices(), *unmade.lines(whole)]), end="")


def _add_schema(commands) -> None:
    parser = commands.add_parser("schema", help="print the JSON Schema of the config, or of audit.json")
    parser.add_argument("what", nargs="?", choices=("config", "audit"), default="config")
    parser.set_defaults(run=_schema)


def _schema(arguments: argparse.Namespace) -> None:
    from ..config import resolve as config
    from ..report import audit_file

    found = config.schema() if arguments.what == "config" else audit_file.schema()
    print(json.dumps(found, indent=2, ensure_ascii=False))


def _add_docs(commands) -> None:
    parser = commands.add_parser("docs", help="write the reference pages (config, tables, plugins) into a folder")
    parser.add_argument("folder", type=Path)
    parser.set_defaults(run=_docs)


def _docs(arguments: argparse.Namespace) -> None:
    from ..report import reference

    reference.write(arguments.folder)


def _add_page(commands) -> None:
    parser = commands.add_parser(
        "page", help="write the page of an experiment's results, and the findings in the README"
    )
    parser.add_argument("--settings", required=True, help="those of the stage `report`, as JSON")
    for option in ("models", "leakage", "bounds", "claims"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    for option in [name for name in TABLES if name not in ("models", "leakage", "bounds", "claims")]:
        parser.add_argument(f"--{option}", type=Path, help="needed if the page is about this table")
    parser.add_argument(
        "--figures",
        type=Path,
        nargs="+",
        required=True,
        help="PNGs, with digests and CSVs beside them, in the order of the settings",
    )
    parser.add_argument("--cards", type=Path, nargs="+", required=True, help="files of the stage `dataset`")
    _add_results(parser)
    parser.set_defaults(run=_page)


def _page(arguments: argparse.Namespace) -> None:
    from ..report import page
    from ..steps.report import ReportStep

    settings = ReportStep.parse(arguments.settings)
    page.write(
        experiment=settings.experiment,
        tables=named_tables(arguments),
        cards=arguments.cards,
        figures=dict(trouble.paired(settings.figures, arguments.figures, "figures")),
        folder=arguments.folder,
        page=arguments.readme,
        absent=settings.absent,
        cautions=settings.cautions,
        paper=settings.paper,
        kinds=settings.kinds,
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, default=Path("docs/results"), help="folder of the pages; docs/results unless given"
    )
    parser.add_argument(
        "--readme", type=Path, default=Path("README.md"), help="page of the findings; README.md unless given"
    )


def _add_readme(commands) -> None:
    parser = commands.add_parser(
        "readme", help="assemble the pages of results and the findings in the README again, from the committed results"
    )
    _add_results(parser)
    parser.set_defaults(run=_readme)


def _readme(arguments: argparse.Namespace) -> None:
    from ..report import page

    page.renew(arguments.folder, arguments.readme)


def _add_data(commands) -> None:
    parser = commands.add_parser("data", help="which raw files of an experiment exist, and which a run would download")
    add_configfile(parser)
    parser.set_defaults(run=_data)


def _data(arguments: argparse.Namespace) -> None:
    from ..plan import build as plan

    whole = plan.build(experiment_of(arguments.configfile))
    for step in whole.steps["dataset"].values():
        if step.id in whole.placebos:  # they read the files of their tasks
            continue
        for path in step.inputs["files"]:
            state = "here" if Path(path).exists() else "to fetch" if path in whole.fetches else "missing"
            print(f"{step.settings.dataset:<12} {state:<9} {path}")
        if not step.inputs["files"]:
            print(f"{step.settings.dataset:<12} {'generated':<9} -")
    print("".join(f"{line}\n" for line in whole.notices()), end="")


def _add_publish(commands) -> None:
    parser = commands.add_parser(
        "publish", help="copy finished files from the store to the experiment's folder, after a check"
    )
    parser.add_argument("--files", type=Path, nargs="+", required=True)
    parser.add_argument("--outputs", type=Path, nargs="+", required=True, help="where each file goes")
    parser.add_argument(
        "--record",
        type=Path,
        nargs="*",
        default=[],
        help="a file for the digests of what is copied, if the store is not at hand",
    )
    parser.set_defaults(run=_publish)


def _publish(arguments: argparse.Namespace) -> None:
    from ..stages import publish

    publish.run(files=arguments.files, outputs=arguments.outputs, record=arguments.record)


def _add_verify(commands) -> None:
    parser = commands.add_parser(
        "verify", help="compute every digest of an experiment's files and of the store anew, and name what does not fit"
    )
    add_configfile(parser)
    parser.set_defaults(run=_verify)


def _verify(arguments: argparse.Namespace) -> None:
    from ..plan import build as plan
    from . import inventory

    whole = plan.build(experiment_of(arguments.configfile))
    found = inventory.verify(whole)
    if found.problems:
        raise PopleakError("\npopleak: ".join(found.problems))
    if found.others:
        print(f"{found.others} files of the store are intact and of other configs or earlier code")
    print(f"{found.whole} files are intact and of this config, {found.absent} are not made yet")


def _add_prune(commands) -> None:
    parser = commands.add_parser(
        "prune",
        aliases=["gc"],
        help="list the files of results/store that no experiment here needs: those of other settings or of earlier code",
    )
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        help="further experiments whose files are needed, each a file laid over config.yaml",
    )
    parser.add_argument("--delete", action="store_true", help="delete them")
    parser.set_defaults(run=_prune)


def _prune(arguments: argparse.Namespace) -> None:
    from ..plan import build as plan
    from . import inventory

    overlays = [[path] for path in (*experiment_files(), *arguments.configfile) if path.name != "config.yaml"]
    found = inventory.unused([plan.build(experiment_of(paths)) for paths in ([], *overlays)])
    size = sum(path.stat().st_size for path in found)
    for path in found:
        if arguments.delete:
            path.unlink()
        else:
            print(inventory.printable(path))
    print(f"{len(found)} files, {size / 1e6:.1f} MB: {'deleted' if arguments.delete else 'delete them with --delete'}")


def _add_fetch(commands) -> None:
    parser = commands.add_parser("fetch", help="download one raw file from its publisher and check it")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--source", required=True, help="the source, as JSON: file, url, sha256, member")
    parser.add_argument("--output", required=True, type=Path)
    parser.set_defaults(run=_fetch)


def _fetch(arguments: argparse.Namespace) -> None:
    from ..core import typed
    from ..datasets._fetch import fetch
    from ..datasets.base import Source

    fetch(typed.read(Source, typed.loads(arguments.source), "--source: the source's keys"), arguments.output)


def _add_prepare(commands) -> None:
    parser = commands.add_parser(
        "prepare", help="turn files that you downloaded by hand into the table that a dataset reads: utkface"
    )
    parser.add_argument("dataset")
    parser.add_argument("origin", type=Path, help="the folder or archive that you downloaded")
    parser.add_argument("--data-dir", type=Path, help="folder of raw data; by default POPLEAK_DATA")
    parser.set_defaults(run=_prepare)


def _prepare(arguments: argparse.Namespace) -> None:
    from ..datasets._fetch import place
    from ..datasets.base import Source

    folder = arguments.data_dir or os.environ.get("POPLEAK_DATA")
    if not folder:
        raise PopleakError("--data-dir: name the folder of raw data, or set POPLEAK_DATA")
    if arguments.dataset not in plugins.names("datasets"):
        raise PopleakError(f"no dataset {arguments.dataset!r}: choose from {', '.join(plugins.names('datasets'))}")
    plugin = plugins.load("datasets", arguments.dataset)
    print("\n".join(plugin.prepare(arguments.origin, place(plugin.name, Source(""), folder))))
