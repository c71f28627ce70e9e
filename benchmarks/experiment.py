"""Where the wall time of a whole experiment goes: `python benchmarks/experiment.py --configfile FILE`.

Runs the experiment from scratch, in a temporary folder and with Snakemake as a user runs it, and adds up what each job
wrote into its log (`popleak.core.accounting`): Python's start and imports, training, the store, the rest of the stage. What
no job accounts for is the shell around it, Snakemake itself, and cores that had nothing to do.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

import common
from popleak.cli.tools import experiment_of
from popleak.core import accounting
from popleak.core.errors import PopleakError
from popleak.plan import build as plan
from popleak.plan import estimate

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = common.RESULTS / "experiment.parquet"
NAMES = {
    "start": "Python, imports, compiling",
    "training": "training of models",
    "store": "reading and writing Parquet",
    "rest": "the stage's own work",
    "shell": "shell, and end of the process",
    "snakemake": "Snakemake, and idle cores",
}
SCHEMA = pa.schema(
    {
        "experiment": pa.string(), "cores": pa.int64(), "repeat": pa.int64(), "stage": pa.string(), "part": pa.string(),
        "jobs": pa.int64(), "wall_seconds": pa.float64(), "cpu_seconds": pa.float64(), "share": pa.float64(),
        "run_wall_seconds": pa.float64(), "estimated_wall_seconds": pa.float64(),
    }
)  # fmt: skip


def children() -> float:
    """Return the CPU seconds of all child processes that have ended, and of theirs."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def execute(folder: Path, cores: int, configfiles: Sequence[Path], cache: Path | None = None) -> tuple[float, float]:
    """Run the experiment in `folder`; return its wall seconds and the CPU seconds of all its processes.

    cache: folder of the user's cache, in which an earlier run may have left compiled loops; None for an empty one.
    Raises PopleakError with the end of what Snakemake said if the run fails.
    """
    shutil.copy(ROOT / "config.yaml", folder)
    package = os.pathsep.join(filter(None, [str(ROOT / "workflow"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": package, "XDG_CACHE_HOME": str((cache or folder / ".cache").resolve())}
    if "POPLEAK_DATA" in environment:  # it may be relative to here
        environment["POPLEAK_DATA"] = str(Path(environment["POPLEAK_DATA"]).resolve())
    profile = ROOT / "workflow" / "profiles" / "default"
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--snakefile", str(ROOT / "Snakefile"),
               "--directory", str(folder), "--workflow-profile", str(profile)]  # fmt: skip
    if configfiles:
        command += ["--configfile", *(str(path.resolve()) for path in configfiles)]
    wall, cpu = time.perf_counter(), children()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall, cpu = time.perf_counter() - wall, children() - cpu
    if done.returncode:
        raise PopleakError(f"the experiment failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return wall, cpu


def jobs(folder: Path) -> pd.DataFrame:
    """Return the jobs of a run: stage, part, wall_seconds and cpu_seconds, a row a job and part, from the logs.

    `shell` is what Snakemake's own clock saw of a job beyond its own account; it times no job that draws or reports.
    """
    records = []
    for path in sorted((folder / "results" / "logs").rglob("*.log")):
        for line in accounting.parse(path.read_text(encoding="utf-8")):
            parts = dict(line.parts)
            clock = path.with_suffix(".tsv")
            if clock.exists():
                seen = pd.read_csv(clock, sep="\t")["s"].sum()
                parts["shell"] = accounting.Seconds(max(seen - line.total().wall, 0.0), 0.0)
            records += [{"stage": line.stage, "step": line.step, "part": name, "wall_seconds": spent.wall,
                         "cpu_seconds": spent.cpu} for name, spent in parts.items()]  # fmt: skip
    if not records:
        raise PopleakError(f"{folder}: no job wrote its account into its log")
    return pd.DataFrame.from_records(records)


def decompose(found: pd.DataFrame, wall: float, cpu: float, cores: int) -> pd.DataFrame:
    """Return a row a stage and part: jobs, seconds and share of wall * cores; the shares add up to 1.

    The part `snakemake` is what is left: of the wall seconds of all cores, and of the CPU seconds of all processes.
    """
    parts = found.groupby(["stage", "part"], sort=False)
    frame = parts.agg(
        jobs=("step", "nunique"), wall_seconds=("wall_seconds", "sum"), cpu_seconds=("cpu_seconds", "sum")
    )
    frame = frame.reset_index()
    left = {"stage": "snakemake", "part": "snakemake", "jobs": found["step"].nunique(),
            "wall_seconds": wall * cores - frame["wall_seconds"].sum(),
            "cpu_seconds": max(cpu - frame["cpu_seconds"].sum(), 0.0)}  # fmt: skip
    frame = pd.concat([frame, pd.DataFrame([left])], ignore_index=True)
    return frame.assign(share=frame["wall_seconds"] / (wall * cores), run_wall_seconds=wall)


def summary(frame: pd.DataFrame) -> str:
    """Return one line a part and one a stage for each experiment and number of cores: means over the repeats."""
    lines = []
    for (name, cores), cell in frame.groupby(["experiment", "cores"], sort=False):
        repeats = cell["repeat"].nunique()
        wall = cell.drop_duplicates("repeat")["run_wall_seconds"]
        expected = cell["estimated_wall_seconds"].mean()
        lines.append(
            f"{name}, {cores} worker processes: {common.spread(wall, 1)} s wall, {repeats} runs; `popleak plan` says {expected:.0f} s"
        )
        lines.append(f"  {'':<34}{'wall s':>9}{'CPU s':>9}{'share of wall * cores':>24}")
        for part, label in NAMES.items():
            lines.append(_row(label, cell[cell["part"] == part], repeats))
        lines.append("  of which, by stage:")
        for stage, rows in cell[cell["part"] != "snakemake"].groupby("stage", sort=False):
            count = rows.groupby("repeat")["jobs"].max().max()
            lines.append(_row(f"{stage} ({count} jobs)", rows, repeats))
    for name, cell in frame.groupby("experiment", sort=False):
        walls = cell.drop_duplicates(["cores", "repeat"]).pivot(
            index="repeat", columns="cores", values="run_wall_seconds"
        )
        first, *others = walls.columns
        for cores in others:
            lines.append(f"{name}: wall of {first} over wall of {cores}: {common.spread(walls[first] / walls[cores])}")
    return "\n".join(lines)


def _row(label: str, rows: pd.DataFrame, repeats: int) -> str:
    wall, cpu, share = (rows[name].sum() / repeats for name in ("wall_seconds", "cpu_seconds", "share"))
    return f"  {label:<34}{wall:>9.1f}{cpu:>9.1f}{share:>24.1%}"


def expected(configfiles: Sequence[Path], cores: int) -> float:
    """Return the wall seconds that `popleak plan` foresees where nothing is there. For a fresh process: the calibration
    measures the first compilation in it."""
    whole = plan.build(experiment_of(configfiles))
    with tempfile.TemporaryDirectory(prefix="popleak-") as place, contextlib.chdir(place):
        speed = estimate.calibrate()
        return estimate.wall_seconds(estimate.stages(whole, speed), cores, speed)


def measure(configfiles: Sequence[Path], cores: int, cache: Path | None = None) -> pd.DataFrame:
    """Run one experiment from scratch in a temporary folder and return where its time went."""
    name = experiment_of(configfiles).experiment
    foreseen = common.apart(expected, configfiles, cores)
    with tempfile.TemporaryDirectory(prefix="popleak-") as place:
        wall, cpu = execute(Path(place), cores, configfiles, cache)
        frame = decompose(jobs(Path(place)), wall, cpu, cores)
        return frame.assign(experiment=name, cores=cores, estimated_wall_seconds=foreseen)


def run(arguments: argparse.Namespace) -> pd.DataFrame:
    """Measure, write the table, print its sums and return it."""
    experiments = arguments.configfile or [[]]
    frames = []
    for repeat in range(arguments.repeats):
        for configfiles in experiments:
            for cores in common.turns(arguments.cores, repeat):
                frames.append(measure(configfiles, cores, arguments.cache).assign(repeat=repeat))
                common.say(
                    f"{frames[-1]['experiment'].iloc[0]}, {cores} cores: repeat {repeat + 1} of {arguments.repeats}"
                )
    frame = pd.concat(frames).sort_values(["experiment", "cores", "repeat"], kind="stable")
    settings = {"experiments": [[path.name for path in files] for files in experiments], "cores": arguments.cores,
                "repeats": arguments.repeats}  # fmt: skip
    common.write(arguments.output, frame, SCHEMA, __file__, settings)
    print(summary(frame))
    return frame


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--configfile", type=Path, nargs="+", action="append", help="overlays over config.yaml; again for another run"
    )
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="worker processes; several are compared")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--cache", type=Path, help="folder of the user's cache (XDG_CACHE_HOME); by default an empty one a run"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return common.status(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
