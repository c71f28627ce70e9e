"""The tables of a search, and where it leaves them: results/<experiment>/search/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..config.experiment import Experiment
from ..core import provenance
from ..core.settings import canonical, digest
from ..measures import fronts
from ..plan.steps import ROOT
from ..store import parquet as store
from ..store.schema.search import SEARCHED
from ..tables import as_arrow
from . import checks, points
from .campaign import Measured, Searched, Studied


def frames(found: Searched) -> dict[str, pd.DataFrame]:
    """Return the tables of a search by name."""
    search = searched(found.measured)
    tables = {"search": search, "search_studies": studies(found.studies, search)}
    return tables | {"search_checks": checks.frame(search, tables["search_studies"])}


def write(experiment: Experiment, found: Searched) -> dict[str, Path]:
    """Write the tables of a search; return their paths by name."""
    folder = Path(ROOT, experiment.experiment, "search")
    settings = experiment.resolved()
    settings = {key: value for key, value in settings.items() if key not in ("engine", "data_dir")}
    code = provenance.code_digest("popleak.search.campaign", "popleak.search.results")
    inputs = sorted({one.found.file for one in found.measured if one.found is not None})
    paths = {}
    for name, frame in frames(found).items():
        paths[name] = folder / f"{name}.parquet"
        identity = digest([canonical(settings), code, name])
        made_of = [paths[one] for one in ("search", "search_studies")] if name == "search_checks" else inputs
        facts = store.provenance(
            stage="tables", step=f"{name}-{identity}", settings=settings, code=code, inputs=made_of
        )
        store.write(paths[name], as_arrow(name, frame, SEARCHED[name]), facts)
    return paths


def searched(measured: Sequence[Measured]) -> pd.DataFrame:
    """Return the table `search`: nothing of it was measured in stage 1."""
    rows = [row for one in measured for row in _rows(one)]
    frame = pd.DataFrame(rows, columns=[column.name for column in SEARCHED["search"]])
    frame["feasible"] = frame["feasible"].fillna(False).astype(bool)
    frame["front"] = False
    kept = frame[frame["feasible"] & frame["role"].isin(["front", "default"]) & (frame["stage"] == 2)]
    for task, part in kept.groupby("task", sort=False):
        front = part[fronts.unbeaten(costs(part))]
        same = (frame["task"] == task) & frame["role"].isin(["front", "default"]) & frame["point"].isin(front["point"])
        frame.loc[same, "front"] = True
    return frame


def costs(part: pd.DataFrame) -> np.ndarray:
    """Return rows of one task as costs (n, 3); see `points.costs`."""
    values = np.array([points.objectives(row) for row in part.to_dict("records")])
    return points.costs(values, float(part["accuracy_floor"].iloc[0]))[0]


def _rows(one: Measured) -> list[dict[str, Any]]:
    if one.stage < 2:
        raise ValueError("stage 1 chose, and is no result")
    row = {
        "task": one.task, "role": one.role, "sampler": one.sampler or None, "study_seed": one.seed or None,
        "trial": one.trial if one.trial >= 0 else None, "point": points.identity(one.point), "settings": points.said(one.point),
        "stage": one.stage, "failure": one.failure or None,
    }  # fmt: skip
    if one.found is None:
        return [row]
    found = [row | _values(one.found.defended, one.found.floor) | _optimism(one.before, one.found.defended)]
    if one.role == "default":
        found.append(row | {"role": "undefended"} | _values(one.found.undefended, one.found.floor))
    return found


def _values(values: Mapping[str, float], floor: float) -> dict[str, Any]:
    named = {"seconds_reference": values["seconds"], **{name: one for name, one in values.items() if name != "seconds"}}
    return named | {"accuracy_floor": floor, "feasible": values["accuracy"] >= floor}


def _optimism(before: dict[str, float] | None, after: dict[str, float]) -> dict[str, float]:
    """Return by how much stage 1 looked better, by column."""
    if before is None:
        return {}
    first, second = points.objectives(before), points.objectives(after)
    better = (first - second) * np.array([1, -1, -1])
    return dict(zip(("optimism_accuracy", "optimism_delta_eo", "optimism_advantage"), map(float, better), strict=True))


def studies(studied: Sequence[Studied], search: pd.DataFrame) -> pd.DataFrame:
    """Return the table `search_studies`."""
    rows = []
    for one in studied:
        name, sampler, seed = one.task, one.spec.sampler, one.spec.seed
        mine = search[(search["task"] == name) & (search["sampler"] == sampler) & (search["study_seed"] == seed)]
        mine = mine[(mine["role"] == "front") & (mine["stage"] == 2)]
        kept = mine[mine["feasible"]]
        failed = [trial for trial in one.trials if trial.values is None]
        rows.append(
            {
                "task": name, "sampler": sampler, "study_seed": seed, "trials": len(one.trials),
                "distinct": len({points.identity(trial.point) for trial in one.trials}), "failed": len(failed),
                "failures": "; ".join(f"{trial.number}: {' '.join(trial.failure.split())}" for trial in failed),
                "infeasible": sum(trial.values is not None and not trial.feasible for trial in one.trials),
                "promoted": len(mine), "lost": len(mine) - len(kept),
                "hypervolume": fronts.hypervolume(costs(kept), np.ones(3)) if len(kept) else 0.0, "replayed": one.replayed,
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=[column.name for column in SEARCHED["search_studies"]])
