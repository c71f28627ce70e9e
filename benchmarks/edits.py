"""What an edit re-runs: `python benchmarks/edits.py`.

A copy of the package is edited, one file at a time, and an experiment is planned with it. The jobs whose ids differ from those of the plan
before the edit are those that run again over a store that held them all. Nothing is trained: it takes a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import common
from popleak.core.errors import PopleakError
from popleak.report import readme

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- edits: written by benchmarks/edits.py -->", "<!-- /edits -->"
EXPERIMENT = ROOT / "workflow" / "experiments" / "paper.yaml"
EDITS = {
    "a figure": "figures/gap.py", "the look of all figures": "figures/_style.py", "the report's template": "report/template.py",
    "a public table": "tables/bounds.py", "an attack": "attacks/kl.py", "a measure": "measures/bounds.py",
    "a defence": "defences/rehearsal.py", "a dataset": "datasets/german.py", "the engine": "engine/fit.py",
}  # fmt: skip
"""The file that is edited, by what it is."""
LOOK = """
import json, sys
from pathlib import Path
from popleak.cli import tools
from popleak.plan import build
plan = build.build(tools.experiment_of([Path(sys.argv[1])]))
json.dump([(step.stage, step.id, step.models) for step in plan.all_steps()], sys.stdout)
"""
STAGES = ("dataset", "split", "draw", "train", "defend", "query", "measure", "attack", "tables", "figures", "report")


def planned(package: Path, config: Path) -> list[tuple[str, str, int]]:
    """Return stage, id and models of each job that the code in the folder `package` plans. Raises PopleakError if it cannot."""
    environment = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(config)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise PopleakError(f"{config}: cannot be planned: {done.stderr.strip().splitlines()[-1]}")
    return [tuple(job) for job in json.loads(done.stdout)]


def counted(before: Sequence[tuple[str, str, int]], after: Sequence[tuple[str, str, int]]) -> dict[str, Any]:
    """Return how many jobs of each stage, and how many models, are in `after` and not in `before`."""
    there = {job for _, job, _ in before}
    anew = [(stage, models) for stage, job, models in after if job not in there]
    found: dict[str, Any] = {stage: sum(one == stage for one, _ in anew) for stage in STAGES}
    return found | {"jobs": len(anew), "models": sum(models for stage, models in anew if stage in ("train", "defend"))}


def rows(config: Path) -> Iterator[dict[str, Any]]:
    """Yield what is planned in all, then what each edit of `EDITS` plans anew. An edit is a line of code at the end of the file."""
    with tempfile.TemporaryDirectory(prefix="popleak-") as place:
        package = Path(place) / "workflow"
        shutil.copytree(ROOT / "workflow", package, ignore=shutil.ignore_patterns("__pycache__"))
        before = planned(package, config)
        yield {"edit": "nothing is there yet", "file": "", **counted([], before)}
        for edit, name in EDITS.items():
            file = package / "popleak" / name
            text = file.read_text(encoding="utf-8")
            file.write_text(f"{text}\n_EDITED = True\n", encoding="utf-8")
            yield {"edit": edit, "file": name, **counted(before, planned(package, config))}
            file.write_text(text, encoding="utf-8")


def block(found: Sequence[dict[str, Any]], config: Path) -> str:
    """Return the table as Markdown."""
    header = ["edit", *STAGES, "all jobs", "models"]
    lines = [header, ["---"] * len(header)]
    for row in found:
        what = f"{row['edit']} (`{row['file']}`)" if row["file"] else row["edit"]
        lines.append([what, *(f"{row[stage]:,}" if row[stage] else "" for stage in (*STAGES, "jobs", "models"))])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"Jobs of `{config.stem}` by stage, and the models that they train, on the data that were there:\n\n{table}"


def work(config: Path) -> None:
    whole = readme.around(PAGE, BEGIN, END)
    found = []
    for row in rows(config):
        common.say(f"{row['edit']}: {row['jobs']:,} jobs, {row['models']:,} models")
        found.append(row)
    readme.put(PAGE, whole, f"\n{block(found, config)}\n\n")


if __name__ == "__main__":
    sys.exit(common.of_experiment(work, __doc__, EXPERIMENT))
