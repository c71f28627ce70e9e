"""Do the intervals cover 50 % where the groups differ in nothing? Measured on real tables: `python benchmarks/placebo_coverage.py`.

A table's group column is permuted (the task key `placebo`), so that pure worlds are draws from one population. Whatever an adversary then
reads beyond 50 % it reads from this very table: its pools are finite, and the splits cut one and the same table. The question is asked at
several shares of the smaller group's pool that a draw takes, of many permutations each. Some permutations are run once more with other
splits, draws and models (`again`): where both runs of a permutation lie on the same side of 50 %, the value is that of this table, and only
misleading of the population.

All steps are those of an experiment's plan, run in this process by the commands that the rules run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

import common
from popleak.cli import stages
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.seeds import generator
from popleak.datasets import _cards, adult
from popleak.datasets._fetch import locate
from popleak.measures import verdicts
from popleak.plan import build as plan
from popleak.store import schema
from popleak.tables import placebo

ROOT = Path(__file__).resolve().parents[1]
OUTPUT, PAGE = ROOT / "docs/results/benchmarks/placebo.csv", ROOT / "docs/statistics.md"
BEGIN, END = "<!-- placebo: written by benchmarks/placebo_coverage.py -->", "<!-- /placebo -->"
SEED, AGAIN = 20260601, 20260602
SHARES = (0.1, 0.3, 0.5, 0.6, 0.95)
COPIES, TWICE = 40, 20
"""Permutations a cell, and how many of them are run once more with other splits."""
ADULT_ROWS = 5000
KEPT = ["accuracy", "accuracy_low", "accuracy_high", "against_chance"]
COLUMNS = ["table", "share", "rows", "run", "permutation", "adversary", *KEPT]
POPULATION = {"splits": 5, "victims": 100, "shadows": 40, "victim_share": 0.4, "adversary_share": 0.4}


def raw_folder() -> Path:
    return Path(os.environ.get("POPLEAK_DATA", plan.ROOT + "/data"))


def compas(folder: Path) -> tuple[dict[str, Any], int]:
    """Return the task COMPAS by race, and the rows of its smaller group."""
    card = plugins.load("datasets", "compas").card(plugins.load("datasets", "compas").Settings())
    return {"dataset": "compas", "attribute": "race", "query_rows": 400}, min(card.attributes["race"].rows)


def adult_part(folder: Path) -> tuple[dict[str, Any], int]:
    """Return the task of ADULT_ROWS rows of Adult by sex, drawn by the seed and written into `folder`, and the rows of its smaller group."""
    found = [locate("adult", source, raw_folder()) for source in _cards.packaged("adult").sources().values()]
    if None in found:
        raise common.PopleakError(f"no raw files of adult in {raw_folder()}: set POPLEAK_DATA")
    how = {"header": None, "names": list(adult.COLUMNS), "skipinitialspace": True, "comment": "|", "dtype": str}
    frame = pd.concat([pd.read_csv(path, **how) for path in found], ignore_index=True)
    frame["income"] = frame["income"].str.removesuffix(".")
    frame["native-country"] = frame["native-country"].where(
        frame["native-country"].isin(["United-States", "?"]), "other"
    )
    chosen = generator(SEED, "benchmark", "adult").choice(len(frame), ADULT_ROWS, replace=False)
    path = folder / "adult.csv"
    frame.iloc[np.sort(chosen)].to_csv(path, index=False)
    options = {
        "path": str(path), "label": "income", "positive": ">50K", "attribute": "sex", "groups": ["Male", "Female"],
        "drop": list(adult.UNUSED),
    }  # fmt: skip
    smaller = int(frame["sex"].iloc[chosen].value_counts().min())
    return {"dataset": "table", "query_rows": 300, "options": options}, smaller


TABLES = {"compas": compas, "adult": adult_part}


def planned(task: Mapping[str, Any], rows: int, copies: int, seed: int) -> plan.Plan:
    """Return the plan of a task with so many permutations."""
    return plan.build(
        config.load(
            {
                "experiment": "placebo-coverage", "seed": seed,
                "tasks": [{**task, "rows": rows, "id": "task", "placebo": copies}], "worlds": ["pure"],
                "defences": ["none"], "attacks": ["kl", "meta"], "knowledge": ["informed"], "population": POPULATION,
                "training": {"epochs": 20}, "engine": {"job_seconds": 600}, "data_dir": str(raw_folder().resolve()),
                "figures": ["leakage"],
            }
        )
    )  # fmt: skip


def run(step: plan.Step, settings: str | None = None) -> None:
    """Run one step in this process, by the command that its rule runs."""
    outputs = {"output": step.outputs["table"]} if list(step.outputs) == ["table"] else step.outputs
    words = [step.stage, "--step", step.id, "--code", step.code, "--settings", settings or step.params]
    for name, paths in (*step.inputs.items(), *((name, (path,)) for name, path in outputs.items())):
        words += [f"--{name.replace('_', '-')}", *paths]
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = stages.main(words)
    if status:
        raise common.PopleakError(said.getvalue().strip())


def needed(whole: plan.Plan, paths: tuple[str, ...]) -> list[plan.Step]:
    """Return the steps that make these files, in the order to run them."""
    makers = {path: step for step in whole.all_steps() for path in step.outputs.values()}
    found: dict[str, plan.Step] = {}
    open_ = [makers[path] for path in paths]
    while open_:
        step = open_.pop()
        if step.id not in found:
            found[step.id] = step
            open_ += [makers[path] for part in step.inputs.values() for path in part if path in makers]
    return sorted(found.values(), key=lambda step: plan.STAGES.index(step.stage))


def judged(whole: plan.Plan, tables: Mapping[int, str] | None = None) -> pd.DataFrame:
    """Run the placebos of a plan and return their rows of the table `placebo`.

    tables: instead of this plan's own permutations those of another one, their settings by number.
    """
    table = whole.tables["placebo"]
    for step in needed(whole, table.inputs["parts"]):
        if not Path(next(iter(step.outputs.values()))).exists():
            other = tables[step.settings.placebo.number] if tables and step.stage == "dataset" else None
            run(step, other)
    empty = pd.DataFrame({column.name: pd.Series(dtype="object") for column in schema.LEAKAGE})
    parts = [Path(path) for path in table.inputs["parts"]]
    made = placebo.make(parts=parts, tables={"leakage": empty}, settings=table.settings).to_pandas()
    return made[made["permutation"].notna()]


def permutations(whole: plan.Plan) -> dict[int, str]:
    """Return the settings of the steps that permute, by the permutation's number."""
    steps = whole.steps["dataset"].values()
    return {step.settings.placebo.number: step.params for step in steps if step.settings.placebo}


def measure(name: str, share: float, copies: int, twice: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of one cell: each permutation, and some of them once more with other splits."""
    task, smaller = TABLES[name](Path.cwd())
    rows = int(share * POPULATION["victim_share"] * smaller)
    first = planned(task, rows, copies, SEED)
    yield judged(first).assign(table=name, share=share, rows=rows, run="first")
    if twice:
        again = judged(planned(task, rows, twice, AGAIN), permutations(first))
        yield again.assign(table=name, share=share, rows=rows, run="again")


def limits(many: int, of: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % limits of a share."""
    low = float(beta.ppf(0.025, many, of - many + 1)) if many else 0.0
    return low, float(beta.ppf(0.975, many + 1, of - many)) if many < of else 1.0


def twice(part: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each permutation that was run twice: columns (value, run)."""
    return part.pivot(index="permutation", columns="run", values=KEPT[:3]).reindex(
        columns=pd.MultiIndex.from_product([KEPT[:3], ["first", "again"]])
    ).dropna().astype(float)  # fmt: skip


def differ(pairs: pd.DataFrame) -> np.ndarray:
    """Return of which permutations (n,) the two runs' accuracies differ beyond their intervals.

    The interval of the difference is put together from theirs by MOVER (Zou & Donner 2008): where each covers 95 % of what another draw of
    splits and victims from the same table gives, about 5 % differ.
    """
    value, low, high = (pairs[name] for name in KEPT[:3])
    gap = value["first"] - value["again"]
    below = np.hypot(value["first"] - low["first"], high["again"] - value["again"])
    above = np.hypot(high["first"] - value["first"], value["again"] - low["again"])
    return ((gap - below > 0) | (gap + above < 0)).to_numpy()


def percents(many: int, of: int) -> str:
    low, high = limits(many, of)
    return f"{100 * many / of:.1f} [{100 * low:.0f}, {100 * high:.0f}]"


def block(frame: pd.DataFrame) -> str:
    """Return the page's tables: a row a cell, and coverage by share over both tables."""
    lines = [
        "| table | share | rows | adversary | coverage of 50 %, in % | above, below | least, greatest accuracy | sd | two runs: correlation | differ |",
        "| --- " * 10 + "|",
    ]
    for (name, share, rows, adversary), part in frame.groupby(["table", "share", "rows", "adversary"], sort=False):
        first, pairs = part[part["run"] == "first"], twice(part)
        sides = [int((first["against_chance"] == word).sum()) for word in (verdicts.ABOVE, verdicts.BELOW)]
        value, both = first["accuracy"], pairs["accuracy"]
        same = f"{np.corrcoef(both['first'], both['again'])[0, 1]:+.2f}" if len(both) > 2 else "\u2013"
        lines.append(
            f"| {name} | {share:g} | {rows} | {adversary} | {percents(len(first) - sum(sides), len(first))} | {sides[0]}, {sides[1]} of {len(first)} | "
            f"{value.min():.3f}, {value.max():.3f} | {value.std():.3f} | {same} | {differ(pairs).sum()} of {len(pairs)} |"
        )
    lines += ["", "| share | coverage of 50 %: " + " | ".join(adversaries(frame)) + " | sd of the accuracies |"]
    lines += ["| --- " * (2 + len(adversaries(frame))) + "|"]
    for share, part in frame[frame["run"] == "first"].groupby("share"):
        cells = [
            part[part["adversary"] == name]["against_chance"].isin([verdicts.ABOVE, verdicts.BELOW])
            for name in adversaries(frame)
        ]
        spread = part.groupby(["table", "adversary"])["accuracy"].std()
        shown = " | ".join(percents(len(away) - int(away.sum()), len(away)) for away in cells)
        lines.append(f"| {share:g} | {shown} | {spread.min():.3f} to {spread.max():.3f} |")
    apart = [differ(twice(part)) for _, part in frame.groupby(["table", "share", "adversary"])]
    lines += [
        "",
        f"Two runs of a permutation differ beyond their intervals in {sum(int(one.sum()) for one in apart)} of {sum(map(len, apart))} pairs.",
    ]
    return "\n".join(lines)


def adversaries(frame: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(frame["adversary"]))


def write_page(frame: pd.DataFrame) -> None:
    """Write the table between the page's markers."""
    head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{block(frame)}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def work(arguments: argparse.Namespace) -> None:
    """Measure, write the table, and print what it shows; cells that are not measured anew are kept as they are."""
    output = arguments.output.resolve()
    cells = [(name, share) for name in arguments.tables for share in arguments.shares]
    parts = []
    for name, share in [] if arguments.page else cells:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            parts += list(measure(name, share, arguments.copies, arguments.twice))
        common.say(f"{name}, a draw of {share:g} of the smaller pool: done")
    if parts:
        frame = pd.concat(parts)[COLUMNS].round(5)
        if output.exists():
            old = pd.read_csv(output)
            again = [key in cells for key in zip(old["table"], old["share"], strict=True)]
            frame = pd.concat([old[~np.array(again, dtype=bool)], frame])
        frame = frame.assign(place=frame["table"].map(list(TABLES).index))
        frame = frame.sort_values(["place", "share"], kind="stable").drop(columns="place")
        output.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(output, index=False)
    frame = pd.read_csv(output)
    if output == OUTPUT:
        write_page(frame)
    print(block(frame))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES))
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--twice", type=int, default=TWICE, help="permutations to run once more with other splits")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument(
        "--page", action="store_true", help="measure nothing: write the page from the table that is there"
    )
    return common.status(work, parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
