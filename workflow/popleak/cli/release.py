"""The command `audit`: from a table to a page that says whether a model of it may be released, in one go.

It does nothing that a person could not do by hand: `init`, `check`, `plan`, then Snakemake with the config that it keeps. So the same config gives
the same page, and a second call makes only what is missing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import plugins
from ..core.errors import PopleakError
from ..measures.verdicts import LIGHTS  # not `lights`, which loads scipy for every command
from . import run, trained

if TYPE_CHECKING:
    from ..config.experiment import Experiment
    from ..plan.build import Plan
    from ..report.audit_file import AuditFile, Interval
    from .guessing import Guess

_, LEAK, OPEN = LIGHTS
FAILED = 3
"""Exit status where the limit that was asked for is not kept."""
STOPPED = 130
"""Exit status where the run was stopped by hand (Ctrl-C), as shells have it."""
NEAR_HALF = 0.05
"""A table whose share of group 1 is nearer to one half than this gets no question of its own: two such mixtures are too alike."""
ALIKE = 0.025
"""A share that is nearer to 0.3 than this is asked about by the pair of 0.3 and 0.5."""
ATTACKS = {"labels": ("loss", "threshold"), "scores": ("kl", "meta"), "weights": ("weights",)}
"""The attacks that are proposed for each access, the least revealing first: who sees more can do what all before can."""
SEEN = ("labels", "scores")
CONTINUED, ANEW = ("rehearsal", "fft-rehearsal"), ("answer-noise",)
"""Defences that are proposed besides `scratch`, for models that are trained by gradient steps, and for others."""
LAST = 40
"""Lines of Snakemake's that are shown where it fails."""


def add(commands) -> None:
    """Add the command to a parser's subparsers."""
    parser = commands.add_parser(
        "audit",
        help="before a release: run all that says whether a model of your table gives away who it was trained on, and write one page",
    )
    parser.add_argument(
        "table",
        type=Path,
        nargs="?",
        help="table of people (.csv, .parquet, ...), or the audit.json of a finished audit",
    )
    parser.add_argument(
        "--label",
        metavar="COLUMN[=VALUE]",
        help="column to predict, and its value that is y = 1 (several: VALUE|VALUE); guessed if not given",
    )
    parser.add_argument(
        "--group",
        metavar="COLUMN[=VALUE,VALUE]",
        help="column of the sensitive attribute, and two groups, of several values each if need be: sex=M|Male,F|Female; guessed if not given",
    )
    parser.add_argument(
        "--model",
        help="what is trained: see `popleak list models`, or a classifier of scikit-learn's by its name; mlp unless given",
    )
    parser.add_argument(
        "--access",
        nargs="+",
        choices=(*ATTACKS,),
        default=None,
        help="what others will see of the model, and with it all that reveals less; labels and scores unless given",
    )
    parser.add_argument("--rows", help="rows of each model; by default from the size of the table")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="cores to use; all unless given")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--output", type=Path, help="config to write; by default the table's name with -audit.yaml, here")
    kept.add_argument("--config", type=Path, help="audit by this config, instead of a table")
    parser.add_argument("--plan", action="store_true", help="only say what would be done, and how long it takes")
    parser.add_argument(
        "--fail-above", type=float, metavar="ADVANTAGE",
        help=f"exit with status {FAILED} unless each light would be green if this advantage were the margin",
    )  # fmt: skip
    parser.add_argument(
        "--fail-on", choices=(OPEN, LEAK),
        help=f"exit with status {FAILED} unless every light is green (grey, as --fail-above does), or only if a leak is shown (red)",
    )  # fmt: skip
    trained.add(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.fail_above is not None and not 0.0 < arguments.fail_above <= 1.0:
        raise PopleakError(f"--fail-above {arguments.fail_above:g}: give an advantage, above 0 and at most 1")
    if arguments.cores < 1:
        raise PopleakError(f"--cores {arguments.cores}: give the number of cores, at least 1")
    finished = arguments.table is not None and arguments.table.suffix == ".json"
    _unused(arguments, finished)
    if finished:
        return _judged(arguments.table, arguments)
    model = trained.opened(arguments)
    file = arguments.config or _kept(arguments, model)
    plan = _planned(file, arguments.cores)
    if model is not None:
        trained.named(plan, model)
        for line in trained.cautions(plan, model):
            print(f"caution: {line}")
    page = Path(plan.folder(), "audit.html")
    if arguments.plan:
        print(f"nothing was run; the page would be {page}")
        return 0
    if model is not None:
        _asked(plan, model, file, arguments)
    _snakemake(file, arguments.cores)
    print(
        f"page: {page}\nfor programs: {page.with_suffix('.json')}\nthe same again: popleak run --cores {arguments.cores} --configfile {file}"
    )
    status = _judged(page.with_suffix(".json"), arguments)
    if model is not None:
        trained.say(plan, model, arguments)
    return status


NAMED = ("label", "group", "model", "access", "rows", "output")
"""Options that say what a proposed config is to hold."""


def _unused(arguments: argparse.Namespace, finished: bool) -> None:
    """Raise PopleakError for an option that would be ignored: what a config holds is said there, and a finished audit is run no more."""
    if not finished and (arguments.table is None) == (arguments.config is None):
        raise PopleakError("audit: give a table, or a config with --config, and not both")
    if finished and arguments.trained is not None:
        raise PopleakError(
            f"{arguments.table}: a finished audit, whose adversaries `popleak score` asks about a trained model: see docs/own-models.md"
        )
    names = (*NAMED, "config", "plan") if finished else NAMED if arguments.config is not None else ()
    given = [f"--{name}" for name in names if getattr(arguments, name)]
    if given and finished:
        raise PopleakError(
            f"{given[0]}: {arguments.table} is a finished audit, which is only read: leave {' '.join(given)} out"
        )
    if given:
        raise PopleakError(
            f"{given[0]}: {arguments.config} says what is audited: change it there, or leave --config out and name a table"
        )


def _asked(plan: Plan, model: Any, file: Path, arguments: argparse.Namespace) -> None:
    """Ask the owner's model the query rows before anything is trained, so that one of another table is found out in seconds."""
    from ..audit import query_rows

    _snakemake(file, arguments.cores, query_rows.files(plan))
    print(trained.ask(plan, model, arguments), flush=True)


def _judged(path: Path, arguments: argparse.Namespace) -> int:
    """Print what an audit found; return the exit status that the limits ask for."""
    from ..report import audit_file

    found = audit_file.read(path)
    print(f"{found.light}: {found.sentence}")
    if found.trained:
        print(found.trained)
    for line in found.warnings:
        print(f"caution: {line}")
    for one in found.lights:
        # of grey lights the page's words; a file of an earlier version has none
        why = one.reason and (one.why or one.reason)
        print(f"  {one.light:<5}  {one.key}: advantage {_said(one.advantage)}" + (f"; {why}" if why else ""))
    return 0 if arguments.fail_above is None and arguments.fail_on is None else _limited(found, arguments)


def _limited(found: AuditFile, arguments: argparse.Namespace) -> int:
    """Return the exit status that the limits ask for, and say which lights fail them."""
    from ..report import audit_file

    on = arguments.fail_on or OPEN
    failed = audit_file.failing(found, above=arguments.fail_above, on=on)
    if not failed and (found.lights or on == LEAK):
        return 0
    limit = found.margin if arguments.fail_above is None else arguments.fail_above
    what = (
        f"not shown to stay below an advantage of {limit:g}"
        if on == OPEN
        else f"shown to leak, and not shown to stay below an advantage of {limit:g}"
    )
    names = ", ".join(one.key for one in failed)
    print(f"popleak: audit: {len(failed)} of {len(found.lights)} lights are {what}: {names}", file=sys.stderr)
    return FAILED


def _said(estimate: Interval) -> str:
    """Return an advantage with its interval."""
    if estimate.value is None:
        return "unknown"
    known = "" if estimate.low is None or estimate.high is None else f" ({estimate.low:.2f} to {estimate.high:.2f})"
    return f"{estimate.value:.2f}{known}"


def _kept(arguments: argparse.Namespace, owned: Any) -> Path:
    """Return the config for a table: a new file, or one that is there and says the same. Raises PopleakError if it says anything else."""
    from . import propose

    guess = _guessed(arguments.table, label=arguments.label, group=arguments.group, rows=arguments.rows or "auto")
    text = _written(
        guess, model=trained.choice(owned, arguments.model), rows=arguments.rows or "auto", access=arguments.access or SEEN,
        in_features=trained.reads(owned, str(guess.options["attribute"])), output=arguments.output,
    )  # fmt: skip
    name = propose.slug(arguments.table)
    file = arguments.output or Path(f"{name}-audit.yaml")
    try:
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
        print(f"config: wrote {file}: what is guessed stands there with remarks")
    except FileExistsError:
        if file.read_bytes() != text.encode():
            raise PopleakError(
                f"{file}: exists and says something else than what was asked for: audit by it with --config {file}, or name another file with --output"
            ) from None
        print(f"config: {file}, as before")
    except OSError as error:
        raise PopleakError(f"{file}: cannot be written ({error.strerror}): name another file with --output") from error
    for line in guess.unread():
        print(f"  {line}")
    return file


def proposed(
    table: Path,
    *,
    label: str | None = None,
    group: str | None = None,
    model: str | Mapping[str, Any] | None = None,
    rows: str = "auto",
    access: Sequence[str] = SEEN,
) -> str:
    """Return the config of an audit of a table as YAML. label, group: a column, or `column=value` and `column=value,value`; model: a name, or an
    entry of `models`, mlp unless given; access: what adversaries see. Raises PopleakError for a name that is not there, where no label or attribute can be guessed,
    and for an access that the model does not have."""
    return _written(_guessed(table, label=label, group=group, rows=rows), model=model, rows=rows, access=access)


def _guessed(table: Path, *, label: str | None, group: str | None, rows: str) -> Guess:
    """Return what is proposed of a table, with what the command line names."""
    from . import guessing

    if rows != "auto" and not rows.isdigit():
        raise PopleakError(f"--rows {rows}: give a number of rows, or auto")
    target, positive = _split(label)
    attribute, pair = _split(group)
    named = [] if pair is None else [one.strip() for one in pair.split(",")]
    if pair is not None and len(named) != 2:
        raise PopleakError(
            f"--group {group}: give two groups, COLUMN=VALUE,VALUE; several values of one group are VALUE|VALUE"
        )
    groups = (named[0], named[1]) if named else None
    return guessing.guess(table, label=target, group=attribute, positive=positive, groups=groups)


def _written(
    found: Guess,
    *,
    model: str | Mapping[str, Any] | None,
    rows: str,
    access: Sequence[str],
    in_features: bool = False,
    output: Path | None = None,
) -> str:
    """Return the config of an audit as YAML. in_features: whether models read the column of the groups; output: the file that it is to be, if it is
    named: it names the experiment too, so that audits of one table do not share a folder."""
    from . import propose

    table = found.table
    name = f"{propose.slug(output or table).removesuffix('-audit')[:34].rstrip('-')}-audit"
    head = f"# Proposed by `popleak audit {table.name}`: what has a remark is a guess: correct it, then `popleak audit --config` with this file."
    return propose.yaml_of(
        found,
        name=name,
        head=head,
        tail=_tail(found.share, model or "mlp", access, named=model is not None),
        rows=rows,
        in_features=in_features,
    )


def _split(given: str | None) -> tuple[str | None, str | None]:
    """Return the column and what stands behind the first `=`, if anything does."""
    if given is None:
        return None, None
    column, equals, value = given.partition("=")
    return column, value if equals else None


def own_pair(share: float | None) -> tuple[float, float] | None:
    """Return the question about a table's own share of group 1 against one half; None where it is too near to one half, or one that is asked anyway."""
    if share is None or abs(share - 0.5) <= NEAR_HALF:
        return None
    own = min(max(round(share, 2), 0.01), 0.99)
    # nearly the same question is asked anyway
    return None if abs(own - 0.3) < ALIKE else (min(own, 0.5), max(own, 0.5))


def _entry(model: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an entry of `models`: scikit-learn's classifiers may be called by their own names."""
    if not isinstance(model, str):
        return model
    from ..models import _estimators

    return (
        {"name": "estimator", "settings": {"estimator": model}} if model in _estimators.ESTIMATORS else {"name": model}
    )


def _does(defence: str) -> str:
    return str(plugins.load("defences", defence).plain)


def _tail(
    share: float | None, model: str | Mapping[str, Any], access: Sequence[str], *, named: bool
) -> tuple[str, ...]:
    import yaml

    own, most = own_pair(share), max(map(list(ATTACKS).index, access))
    attacks = [name for names in list(ATTACKS.values())[: 1 + most] for name in names]
    entry = _entry(model)
    steps = plugins.load("models", entry["name"]).gradient
    if not steps and "weights" in access:
        raise PopleakError(
            f"--access weights: {entry['name']} is kept as its answers, without weights, so no attack reads its file, which may say more (trees keep how many "
            "rows fell into each node): leave it out, and release answers and not the file"
        )
    shown = (
        entry["name"]
        if list(entry) == ["name"]
        else yaml.safe_dump(dict(entry), default_flow_style=True, sort_keys=False, width=10**6).strip()
    )
    return (
        "",
        "worlds:  # the training sets that an adversary tells apart; pure says little about smaller differences",
        "  - protocol: pure  # group 0 only against group 1 only",
        "  - {protocol: ratio, ratios: [0.3, 0.5]}  # shares of group 1",
        *(
            [f"  - {{protocol: ratio, ratios: [{own[0]:g}, {own[1]:g}]}}  # the table's own share against one half"]
            if own
            else []
        ),
        "",
        f"models: [{shown}]"
        + ("" if named else "  # none was named: name yours with --model, or its file with --trained"),
        f"attacks: [{', '.join(attacks)}]",
        "knowledge: [informed]  # adversaries know how the model was made",
        "defences:",
        "  - none",
        *(f"  - {name}  # {_does(name)}" for name in ("scratch", *(CONTINUED if steps else ANEW))),
        "",
        "audit: {margin: 0.1}  # largest advantage that counts as no leak: state it before the run",
        "population: {splits: 20, victims: 800, shadows: 30}"
        if steps
        else "population: {splits: 20, victims: 300, shadows: 12}  # fewer, as they are trained one by one: more victims narrow the intervals",
        "training: {epochs: 10, batch: 32}  # small batches, so that models of few rows learn what these have to teach",
        "figures: [leakage]",
    )


def _planned(file: Path, cores: int) -> Plan:
    """Check the config and its data, and say what a run of it takes. Raises PopleakError with all problems."""
    from ..plan import build, estimate
    from . import check
    from .tools import experiment_of

    experiment: Experiment = experiment_of([file])
    if experiment.audit is None:
        raise PopleakError(f"{file}: has no key `audit`, so no page would be made: add `audit: {{margin: 0.1}}`")
    for line in check.run(experiment):
        print(line, flush=True)
    plan = build.build(experiment)
    print("\n".join(estimate.lines(plan, estimate.calibrate(), cores)), flush=True)
    return plan


def _shown(line: str, part: bool) -> bool:
    """Return whether a line of Snakemake's is shown: not what each job cost, nor, of a part of the run, what the rest would have made."""
    told = line.startswith("popleak:") and " took " not in line and not (part and "not of this config:" in line)
    return told or " steps (" in line


def _snakemake(file: Path, cores: int, targets: Sequence[str] = ()) -> None:
    """Run the workflow, or what it takes to make some of its files, showing how far it is. Raises PopleakError with what Snakemake said last if it fails."""
    words = run.command([*targets, "--cores", str(cores), "--configfile", str(file)])
    last: list[str] = []
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as running:
        assert running.stdout is not None
        try:
            for line in running.stdout:
                last = [*last[1 - LAST :], line.rstrip()]
                if _shown(line, bool(targets)):
                    print(f"  {line.strip()}", flush=True)
        except KeyboardInterrupt:
            running.wait()  # it got the signal too, and ends its jobs
            print("popleak: audit: stopped: the same command goes on where it was", file=sys.stderr)
            raise SystemExit(STOPPED) from None
    if running.returncode:
        raise PopleakError(
            f"audit: Snakemake failed (status {running.returncode}); it said last:\n  "
            + "\n  ".join(filter(None, last))
        )
