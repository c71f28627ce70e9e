"""How an experiment scales over workers and with its size, simulated: `python benchmarks/scaling.py`.

Two questions of somebody who moves from a laptop to a cluster. How long does the paper's experiment take on N workers, with short and with long
jobs? What becomes of jobs, files and the plan itself if the experiment is ten, a hundred or several hundred times as large? Nothing is trained:
times are `popleak plan`'s, of the reference core. The plan itself, and Snakemake's graph of it, are measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import common
from popleak.cli import tools
from popleak.core import atomic
from popleak.core.errors import PopleakError
from popleak.figures import _style as style
from popleak.plan import build, cost, estimate, nodes
from popleak.report import readme

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cluster.md"
BEGIN, END = "<!-- scaling: written by benchmarks/scaling.py -->", "<!-- /scaling -->"
OUTPUT = ROOT / "docs" / "results" / "benchmarks"
EXPERIMENT = ROOT / "workflow" / "experiments" / "paper.yaml"
REFERENCE = estimate.Speed(start=1.0, engine=1.0)
WORKERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SHOWN = (1, 10, 100)
LENGTHS = (20, 60, 300)
"""Seconds that a job should take (`engine.job_seconds`)."""
SIZES = ((1, 60), (10, 60), (10, 600), (100, 600), (100, 3600))
"""How many times the victims and shadows of the experiment, and `engine.job_seconds`."""
GRAPHED = 20_000
"""Jobs up to which Snakemake's own graph is measured."""


def changed(config: Path, folder: Path, *, times: int, seconds: float) -> Path:
    """Write the experiment with so many times its victims and shadows and jobs of so many seconds, and return the file."""
    raw = yaml.safe_load(config.read_text(encoding="utf-8"))
    for part in (raw, *raw["tasks"]):
        if isinstance(part.get("population"), dict):
            part["population"] = {
                key: value * times if key in ("victims", "shadows") else value
                for key, value in part["population"].items()
            }
    raw["engine"] = {**raw.get("engine", {}), "job_seconds": seconds}
    path = folder / f"x{times}-{seconds:g}.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return path


def planned(path: Path) -> tuple[build.Plan, float]:
    """Return the plan of an experiment, and the CPU seconds that planning takes."""
    begin = time.process_time()
    plan = build.build(tools.experiment_of([path]))
    return plan, time.process_time() - begin


def over_workers(config: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the simulated run of the experiment on each number of workers, for each length of a job."""
    once, each = cost.SNAKEMAKE
    for seconds in LENGTHS:
        plan, _ = planned(changed(config, folder, times=1, seconds=seconds))
        todo = nodes.jobs(plan.all_steps(), estimate.step_seconds(plan, REFERENCE))
        for workers in WORKERS:
            run = nodes.simulate(todo, workers, start=once, each=each)
            yield {"job_seconds": seconds, "jobs": len(todo), "workers": workers, "wall_seconds": run.wall, "efficiency": run.efficiency,
                   "core_hours": run.work / 3600, "longest_chain_seconds": run.longest}  # fmt: skip


def over_sizes(config: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield jobs, files and the time of planning for each size of the experiment; what cannot be planned, with the line that says so."""
    for times, seconds in SIZES:
        path = changed(config, folder, times=times, seconds=seconds)
        row: dict[str, Any] = {"times": times, "job_seconds": seconds}
        try:
            plan, taken = planned(path)
        except PopleakError as error:
            yield {**row, "refused": str(error)}
            continue
        steps = plan.all_steps()
        work = sum(estimate.step_seconds(plan, REFERENCE).values())
        graph = _graph(path) if len(steps) <= GRAPHED else float("nan")
        yield {**row, "models": sum(step.models for step in steps if step.stage in ("train", "defend")), "jobs": len(steps),
               "files": sum(len(step.outputs) for step in steps), "disk_gb": sum(step.mb for step in steps) / 1000,
               "largest_mb": max(step.mb for step in steps), "most_memory_mb": max(step.mem_mb for step in steps),
               "cpu_hours": work / 3600, "plan_seconds": taken, "graph_seconds": graph}  # fmt: skip


def _graph(path: Path) -> float:
    """Return the CPU seconds of a dry run: Snakemake reads the workflow, plans and builds its graph."""
    before = os.times()
    done = subprocess.run(
        ["snakemake", "--cores", "1", "-n", "--quiet", "all", "--configfile", str(path)], cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    after = os.times()
    if done.returncode:
        raise PopleakError(f"{path}: cannot be planned by Snakemake: {done.stderr.strip().splitlines()[-1]}")
    return after.children_user + after.children_system - before.children_user - before.children_system


def draw(rows: pd.DataFrame, stem: Path) -> None:
    """Draw wall time over workers, a line for each length of a job."""
    with style.style():
        figure = style.blank(style.COLUMN, 2.6)
        axes = figure.subplots()
        for place, (seconds, part) in enumerate(rows.groupby("job_seconds")):
            look = (style.Look(style.BLACK, "o"), style.Look(style.VERMILLION, "s"), style.Look(style.BLUE, "D"))[place]
            axes.plot(part["workers"], part["wall_seconds"] / 3600, color=look.color, marker=look.marker, markersize=4,
                      label=f"jobs of {seconds:g} s")  # fmt: skip
        ideal = rows.groupby("workers")["core_hours"].first()
        axes.plot(
            ideal.index, ideal / ideal.index, color=style.GREY, linestyle="--", linewidth=0.9, label="no waiting at all"
        )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="workers of one core",
            ylabel="wall time (hours)",
            ylim=(ideal.min() / 120, None),
        )
        style.message(figure, _said(rows))
        axes.legend(loc="lower left")
        with atomic.replacing(stem.with_suffix(".png")) as path:
            figure.savefig(path, format="png", dpi=style.PNG_DPI, metadata={"Software": None})


def _said(rows: pd.DataFrame) -> str:
    """Return the message: the workers from which on another one gains next to nothing, for jobs of the usual length."""
    usual = rows[rows["job_seconds"] == LENGTHS[1]]
    enough = int(usual.loc[usual["wall_seconds"] <= 1.1 * usual["wall_seconds"].min(), "workers"].min())
    return f"With jobs of {LENGTHS[1]} s, workers beyond {enough} gain nothing: the longest chain of jobs decides"


def block(workers: pd.DataFrame, sizes: pd.DataFrame, config: Path) -> str:
    """Return both tables as Markdown."""
    lines = [
        f"`{config.stem}` on N workers of one core, simulated: each job waits {nodes.LATENCY:g} s for the scheduler.", "",
        "| `engine.job_seconds` | jobs | " + " | ".join(f"{one:,} worker{'s' * (one > 1)}" for one in SHOWN) + " | core hours | longest chain |",
        "| --: | --: |" + " --: |" * (len(SHOWN) + 2),
    ]  # fmt: skip
    for seconds, part in workers.groupby("job_seconds"):
        found = part.set_index("workers")
        cells = [
            f"{estimate.duration(found.at[one, 'wall_seconds'])} ({found.at[one, 'efficiency']:.0%})" for one in SHOWN
        ]
        first = part.iloc[0]
        lines.append(
            f"| {seconds:g} | {int(first['jobs']):,} | {' | '.join(cells)} | {first['core_hours']:.1f} | {estimate.duration(first['longest_chain_seconds'])} |"
        )
    lines += [
        "", "In brackets: the share of the workers' time in which they work. Core hours are those of the jobs alone, on the reference core.", "",
        "![Wall time over workers](results/benchmarks/scaling.png)", "",
        "The same experiment with more victims and shadows (planned, not run):", "",
        "| times | `engine.job_seconds` | models | jobs | files | disk | largest file | most memory of a job | CPU hours | planning | Snakemake's graph |",
        "| --: |" + " --: |" * 10,
    ]  # fmt: skip
    for row in sizes.to_dict("records"):
        if isinstance(row.get("refused"), str):
            lines.append(f"| {row['times']:,} | {row['job_seconds']:g} | refused: {row['refused']} |" + " |" * 8)
            continue
        graph = f"{row['graph_seconds']:.0f} s" if row["graph_seconds"] == row["graph_seconds"] else "not measured"
        lines.append(
            f"| {row['times']:,} | {row['job_seconds']:g} | {row['models']:,.0f} | {row['jobs']:,.0f} | {row['files']:,.0f} | {row['disk_gb']:,.0f} GB | "
            f"{row['largest_mb']:,.0f} MB | {row['most_memory_mb'] / 1000:,.1f} GB | {row['cpu_hours']:,.0f} | {row['plan_seconds']:.1f} s | {graph} |"
        )
    return "\n".join(lines)


def work(config: Path) -> None:
    whole = readme.around(PAGE, BEGIN, END)
    with tempfile.TemporaryDirectory(prefix="popleak-") as place:
        workers = pd.DataFrame(over_workers(config, Path(place)))
        common.say(workers.to_string())
        sizes = pd.DataFrame(over_sizes(config, Path(place)))
        common.say(sizes.to_string())
    for name, rows in (("scaling", workers), ("sizes", sizes)):
        atomic.write(
            OUTPUT / f"{name}.csv", rows.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
        )
    draw(workers, OUTPUT / "scaling")
    readme.put(PAGE, whole, f"\n{block(workers, sizes, config)}\n\n")


if __name__ == "__main__":
    sys.exit(common.of_experiment(work, __doc__, EXPERIMENT))
