"""The page of an experiment's results, docs/results/NAME.md, and the files beside it.

A run of the rule `page` leaves three kinds of files in docs/results/NAME: `experiment.json`, the settings as run; `block.md`, the sentences
and tables made from the public tables; and the figures and tables themselves, as PNG and CSV. The page is assembled from these files alone,
so that it can be made again without the run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ..core import atomic, inert, plugins
from ..core.errors import PopleakError
from ..steps.papers import Paper
from ..store import parquet as store
from ..store import seal
from ..store.schema import PERMUTED
from . import (
    alike,
    attacks,
    findings,
    generated,
    matrix,
    practice,
    ratios,
    readme,
    reported,
    searched,
    sensitivity,
    single_rows,
    words,
)
from . import placebo as report_placebo
from .as_run import settings

NEEDED = ("models", "leakage", "bounds", "claims")
SETTINGS, BLOCK, SUMS = "experiment.json", "block.md", "tables.sha256"
MARK = "\u2020"
INTERVALS = (
    "Each cell gives the verdict and the 95 % interval of the figure that decides it. Intervals are not corrected for several tests; verdicts on "
    "a comparison with the control are (Holm). The column `plain` of claims.csv explains each verdict in words."
)
NOTE = "<!-- written by the rule `page`: edit nothing here -->"


class Kind(NamedTuple):
    """What a page is about: the public tables that it needs beside NEEDED, those that are committed beside it as CSV, and the figures that
    are, with what they plot, as far as the experiment draws them. No figures: the main figure alone, as PNG. A figure of the name of a table
    that is kept stands there as PNG too, since the table holds what it plots."""

    needs: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    command: str = "snakemake --cores all"
    """What runs such an experiment again, before its config."""


CHECKS = "checks"
"""The file of what is checked of generators, a row a check: the tables behind it are too large for a page."""
ROWS = ("membership", "membership_victims", "defences")
"""The tables that a page on attacks on rows needs."""
KINDS = {
    "sensitivity": Kind(needs=("sensitivity",), kept=("sensitivity",)),
    "attacks": Kind(needs=("scores",), figures=("attacks", "poison", "forms", "kqueries", "proxies")),
    "ratios": Kind(needs=("regression", "proxies"), figures=("ratios", "regression", "confusion", "proxies")),
    "shares": Kind(needs=generated.NEEDED, figures=("shares", "shares-defended", "laundering", "leakage")),
    "poisoning": Kind(needs=("samples", "defences"), figures=("poisoning",)),
    "bill": Kind(
        needs=ROWS,
        kept=("membership", "defences"),
        figures=("bill", "membership-roc", "membership-cells"),
    ),
    "students": Kind(needs=ROWS, kept=("membership", "defences"), figures=("students", "students-ratio")),
    "scorecard": Kind(
        needs=("defences",),
        kept=("claims", "defences"),
        figures=("scorecard", "pareto", "curves", "certificates"),
    ),
    "leakage": Kind(
        kept=("claims", "leakage"),
        figures=("leakage", "summary", "control-pairs", "certificates", "certified-accuracy", "budgets"),
    ),
    "gap": Kind(kept=("claims",), figures=("gap",)),
    "search": Kind(
        needs=searched.NEEDED,
        kept=searched.NEEDED,
        figures=("search", "search-curve"),
        command="snakemake --cores all pareto",
    ),
}
"""By the main figure of the experiment, the first of these that it draws."""
ON_GENERATORS = ("shares", "poisoning")
"""Main figures of pages on generators."""


def main_figure(figures: Iterable[str]) -> str:
    """Return the name of the figure that a page is about. Raises PopleakError if an experiment draws none of them."""
    figures = set(figures)
    for name in KINDS:
        if name in figures:
            return name
    raise PopleakError(f"config: figures: a page of results needs one of {', '.join(KINDS)}: add it")


def write(
    *,
    experiment: Mapping[str, Any],
    tables: Mapping[str, Path],
    cards: Sequence[Path],
    figures: Mapping[str, Path],
    folder: Path,
    page: Path,
    absent: Sequence[str] = (),
    cautions: Sequence[str] = (),
    paper: Paper | None = None,
    kinds: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write an experiment's files into `folder`/NAME, its page `folder`/NAME.md, and the findings of all experiments into `page`.

    experiment: the resolved config; tables: NEEDED, what the page's kind needs, and `placebo` where it was made; cards: the files of the
    stage `dataset`; figures: the PNG of each figure by name, with its digest and the plotted numbers (.csv) beside it; folder: docs/results;
    page: the README; absent: what the experiment left out because a raw file is missing; cautions: settings that cannot have the effect they
    seem to have, and draws that take much of a pool; paper: whose claims were judged; kinds: of each defence, by task. Raises PopleakError if the README lacks the markers, if a table or a figure is damaged,
    and if the tables come from different runs; nothing is written then.
    """
    readme.around(page, *readme.MARKERS)
    store.agree(tables)
    name, main = _named(experiment), main_figure(figures)
    kind, placebo = KINDS[main], [name for name in PERMUTED if name in tables]
    pictures = _pictures(main, figures)
    frames = {
        table: store.read(tables[table], stage="tables").to_pandas() for table in (*NEEDED, *kind.needs, *placebo)
    }
    facts = [store.facts(path) for path in cards]
    data = [*dict.fromkeys(one["card"]["title"] for one in facts)]
    groups = reported.groups_of([{**one["settings"], **one["card"]} for one in facts])
    beside = _reported(main, frames, paper, kinds, groups)
    tau = float(experiment.get("tau", 0.1))
    random = alike.tasks(experiment)
    text = block(
        main, tau=tau, frames=frames, data=data, absent=absent, cautions=cautions, beside=beside, random=random
    )
    settings = {key: value for key, value in experiment.items() if key != "data_dir"}
    inner = folder / name
    inner.mkdir(parents=True, exist_ok=True)
    kept = {table: _csv(frames[table], index=False) for table in (*kind.kept, *placebo)}
    if main in ON_GENERATORS:
        kept[CHECKS] = _csv(generated.frame(frames, random), index=False)
    if main in ("scorecard", "leakage"):
        kept[readme.CONSTANT] = _csv(findings.constant_shares(frames["models"]), index=True)
    _lay(inner, pictures, kept, tables, settings, text)
    renew(folder, page)


def write_search(
    *,
    experiment: Mapping[str, Any],
    tables: Mapping[str, Path],
    figures: Mapping[str, Path],
    data: Sequence[str],
    folder: Path,
    page: Path,
) -> None:
    """Write the files and the page of a search over the model axis; as `write`. tables: `searched.NEEDED`; data: titles of the datasets."""
    readme.around(page, *readme.MARKERS)
    store.agree(tables)
    inner, pictures = folder / _named(experiment), _pictures("search", figures)
    frames = {name: store.read(tables[name], stage="tables").to_pandas() for name in searched.NEEDED}
    text = searched.block(frames, experiment["search"])
    text += inert.markdown(f"\nData: {'; '.join(data) or 'nothing was measured'}.\n")
    inner.mkdir(parents=True, exist_ok=True)
    kept = {name: _csv(frame, index=False) for name, frame in frames.items()}
    _lay(inner, pictures, kept, tables, {key: value for key, value in experiment.items() if key != "data_dir"}, text)
    renew(folder, page)


def _lay(
    inner: Path,
    pictures: Mapping[str, bytes],
    kept: Mapping[str, bytes],
    tables: Mapping[str, Path],
    settings: Mapping[str, Any],
    text: str,
) -> None:
    """Write the files of an experiment's page into its folder: pictures, tables as CSV, digests, settings and text. What an earlier run drew or kept, and this
    one does not, is removed: a page shows whatever lies there."""
    files = {**pictures, **{f"{table}.csv": content for table, content in kept.items()}}
    for name, content in files.items():
        atomic.write(inner / name, content)
    for path in [*inner.glob("*.png"), *inner.glob("*.csv")]:
        if path.name not in files:
            path.unlink()
    sums = [f"{seal.file_digest(path)}  {table}.parquet" for table, path in tables.items()]
    atomic.write(inner / SUMS, ("\n".join(sums) + "\n").encode())
    atomic.write(inner / SETTINGS, f"{json.dumps(settings, indent=1, ensure_ascii=False)}\n".encode())
    atomic.write(inner / BLOCK, text.encode())


def _reported(
    main: str,
    frames: Mapping[str, pd.DataFrame],
    paper: Paper | None,
    kinds: Mapping[str, Mapping[str, str]] | None,
    groups: Any,
) -> Sequence[reported.Reported]:
    """Return what is said of a figure that the paper reports. It is of worlds, and pages on single rows and on generators are on other questions."""
    return [] if main in ("bill", "students", *ON_GENERATORS) else reported.found(frames, paper, kinds or {}, groups)


def _named(experiment: Mapping[str, Any]) -> str:
    """Return the name of an experiment, which becomes that of a file and a folder. Raises PopleakError for one that no config can have."""
    from ..config import resolve as config

    name = str(experiment["experiment"])
    if not config.is_id(name):
        raise PopleakError(
            f"--settings: experiment: {name[:80]!r} is no name of an experiment: give lower-case letters, digits and -"
        )
    return name


def _csv(table: pd.DataFrame | pd.Series, *, index: bool) -> bytes:
    found = table.to_frame() if isinstance(table, pd.Series) else table
    found = inert.frame(found.reset_index() if index else found)
    return found.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()


def _pictures(main: str, figures: Mapping[str, Path]) -> dict[str, bytes]:
    """Return the files of figures that stand beside a page, by name. Raises PopleakError for one that is damaged."""
    kind, found = KINDS[main], {}
    for figure in [one for one in kind.figures if one in figures] or [main]:
        plotted = kind.figures and figure not in kind.kept
        for file in [figures[figure], *([figures[figure].with_suffix(".csv")] if plotted else [])]:
            found[figure + file.suffix] = seal.check_by(file.with_suffix(".sha256"), file)
    return found


def renew(folder: Path, page: Path) -> None:
    """Assemble every page of results in `folder`, the figure of the README and its findings, from the files that are there.

    Raises PopleakError if the README lacks the markers or a file of a page is missing; nothing is written then.
    """
    whole, found = readme.around(page, *readme.MARKERS), pages(folder)
    for path, content in found.items():
        atomic.write(path, content.encode())
    readme.put(page, whole, readme.block(folder, root=page.parent))


def pages(folder: Path) -> dict[Path, str]:
    """Return the text of each page of results by its path: one for each folder within `folder` that holds the settings of a run."""
    return {folder / f"{path.parent.name}.md": text(path.parent) for path in sorted(folder.glob(f"*/{SETTINGS}"))}


def text(inner: Path) -> str:
    """Return the page of the experiment whose files are in `inner`: what was run, what was found, figures and files."""
    for file in (SETTINGS, BLOCK):
        if not (inner / file).is_file():
            raise PopleakError(
                f"{inner / file}: missing: run `snakemake --cores all page` with the experiment's config"
            )
    experiment = json.loads((inner / SETTINGS).read_text(encoding="utf-8"))
    _agree(inner, experiment)
    title = inert.markdown(" ".join(str(experiment.get("title") or f"Experiment {inner.name}").split()))
    rows = [
        f"| {inert.markdown(words.cell(term))} | {inert.markdown(words.cell(said))} |"
        for term, said in settings(experiment)
    ]
    figures = sorted(path.stem for path in inner.glob("*.png"))
    main = main_figure(figures)
    figures.sort(key=lambda name: name != main)  # the main figure first
    parts = [
        f"# {title}",
        NOTE,
        f"The experiment `{inner.name}`. The [glossary](../glossary.md) explains the terms, [method](../method.md) what is measured, and "
        f"[statistics](../statistics.md) the intervals. To run it again with the settings of this page, and with exactly its "
        f"[data](README.md#which-data-these-are-and-how-to-get-them), in the root of the checkout:",
        f"    {KINDS[main].command} --configfile docs/results/{inner.name}/{SETTINGS}",
        "## Settings",
        "\n".join(["| setting | value |", "| --- | --- |", *rows]),
        f"All settings, with every default filled in, are in [{SETTINGS}]({inner.name}/{SETTINGS}).",
        "## Findings",
        (inner / BLOCK).read_text(encoding="utf-8").strip(),
        "## Figures",
        *(part for name in figures for part in _figure(inner.name, name)),
        "## Data",
        "\n".join(f"- [{path.name}]({inner.name}/{path.name})" for path in sorted(inner.glob("*.csv"))),
        "The columns are explained in [tables](../tables.md). A CSV that is named after a figure holds the numbers that the figure plots"
        + (
            "; `constant.csv` holds the share of victims that give all records one label."
            if _has_shares(inner)
            else "."
        ),
        f"[{SUMS}]({inner.name}/{SUMS}) has the SHA-256 of the run's public tables, which are too large for this repository. Whoever has the tables "
        f"checks them in their folder with `sha256sum --check`."
        if (inner / SUMS).is_file()
        else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _has_shares(inner: Path) -> bool:
    return (inner / f"{readme.CONSTANT}.csv").is_file()


def _agree(inner: Path, experiment: Mapping[str, Any]) -> None:
    """Raise PopleakError unless the settings of the page have as many pool splits as the results beside them."""
    table = inner / "leakage.csv"
    rows = pd.read_csv(table) if table.is_file() else pd.DataFrame()
    if "splits" not in rows:  # what the figure of this name draws need not have them
        return
    counted, usual = set(rows["splits"]), experiment["population"]["splits"]
    known = {(task.get("population") or {}).get("splits", usual) for task in experiment.get("tasks") or [{}]}
    if counted - known:
        raise PopleakError(
            f"{table}: has {max(counted)} pool splits, but {inner / SETTINGS} says {words.listed(map(str, sorted(known)))}: results and settings are of different runs"
        )


def _figure(folder: str, name: str) -> list[str]:
    plugin = plugins.load("figures", name)
    alternative = words.capital(plugin.summary)
    return [f"![{alternative}]({folder}/{name}.png)", f"**{name}.** {plugin.caption}"]


def block(
    main: str,
    *,
    tau: float,
    frames: Mapping[str, pd.DataFrame],
    data: Sequence[str],
    absent: Sequence[str],
    cautions: Sequence[str],
    beside: Sequence[reported.Reported] = (),
    random: Collection[str] = (),
) -> str:
    """Return in Markdown what an experiment with the main figure `main` shows: sentences, the data behind them, and a table of the verdicts
    by claim and task, or of what the experiment is about; beside: what is said of a figure that the paper reports, with its table; random: ids of the tasks
    whose group is a random bit."""
    said, shown = _found(main, frames, tau, random)
    said = [*(sentence for one in beside for sentence in one.sentences), *said]
    said += [
        f"Data: {'; '.join(data)}.",
        *(f"Left out: {line}." for line in absent),
        *(f"Caution: {line}." for line in cautions),
        *(f"Warning. {line}" for line in report_placebo.warnings(frames)),
    ]
    sentences = "\n".join(f"- {sentence}" for sentence in said)
    return inert.markdown("\n\n".join([sentences, *(one.markdown.strip() for one in beside), shown])).rstrip() + "\n"


def _found(main: str, frames: Mapping[str, pd.DataFrame], tau: float, random: Collection[str]) -> tuple[list[str], str]:
    """Return the sentences of a page with this main figure, and its table in Markdown."""
    leakage, constant = frames["leakage"], findings.mostly_constant(findings.constant_shares(frames["models"]))
    if main == "sensitivity":  # the sentences count the verdicts, which are too many for a table
        return sensitivity.sentences(frames["sensitivity"]), ""
    if main == "attacks":
        return attacks.findings(leakage, frames["scores"]), attacks.table(leakage)
    if main == "ratios":
        return ratios.findings(leakage, frames["proxies"]), ratios.table(frames["regression"])
    if main in ("bill", "students"):
        return single_rows.sentences(frames), single_rows.table(frames)
    if main in ON_GENERATORS:
        return generated.sentences(frames, random), generated.table(frames, random)
    if main == "gap":  # of adversaries there is none but the gap
        return findings.gaps(frames["models"], tau=tau), verdicts(_of_gaps(frames["claims"]), constant)
    used = practice.sentences(frames["defences"]) if main == "scorecard" else []
    return [*used, *findings.findings(frames, tau=tau)], verdicts(frames["claims"], constant)


def _of_gaps(claims: pd.DataFrame) -> pd.DataFrame:
    return claims[claims["kind"].str.startswith("gap-")]


def verdicts(claims: pd.DataFrame, constant: Collection[tuple] = ()) -> str:
    """Return a table of verdicts: a row a claim, a column a task; each cell with the 95 % interval of what decides.

    constant: KEYS of the settings in which most models give all records one label; a verdict on one of them bears a mark.
    Raises PopleakError if a claim has two verdicts on one task: a cell would hide one of them.
    """
    twice = claims[claims.duplicated(["claim", "statement", "task"])]
    if len(twice):
        first = twice.iloc[0]
        raise PopleakError(
            f"the table `claims` has two verdicts of {first['claim']} on task {first['task']!r} with one statement: {first['statement']!r}"
        )
    tasks = list(dict.fromkeys(claims["task"]))
    lines = ["| | claim | interval of | " + " | ".join(tasks) + " |", "| --- " * (len(tasks) + 3) + "|"]
    useless = matrix.useless(claims, constant)
    for (claim, statement, kind), rows in claims.groupby(["claim", "statement", "kind"], sort=False):
        cells = {
            row.task: f"{row.verdict}{MARK if useless[row.Index] else ''} {words.interval(row.low, row.high)}"
            for row in rows.itertuples()
        }
        told = " | ".join(words.cell(one) for one in (claim, statement, matrix.UNITS.get(kind, "")))
        lines.append(f"| {told} | " + " | ".join(cells.get(task, "") for task in tasks) + " |")
    marked = f" {MARK}: most of these models give all records one label." if useless.any() else ""
    free = f" `{matrix.WITNESS}`: claims that need no data." if matrix.WITNESS in tasks else ""
    return "\n".join([*lines, "", f"{INTERVALS}{free}{marked}"]) + "\n"
