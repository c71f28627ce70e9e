"""Where a run writes: below `results`, and nowhere else, also in a folder that somebody else has filled."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import PopleakError
from ..core.locks import CLAIMS
from ..steps import STAGES
from .build import Plan
from .steps import ROOT


def check(plan: Plan) -> None:
    """Raise PopleakError for a link through which a run of a plan would write to another place.

    `results`, `results/store` and `results/logs` may be links: a user's own to a larger disk. Files of the store and published
    files may be too, since a file of the same name takes their place; a log, however, would be written to where it leads.
    """
    folders = [f"store/{stage}" for stage in STAGES] + [f"logs/{stage}" for stage in (*STAGES, "publish")]
    experiment = plan.experiment.experiment
    folders += [f"logs/publish/{experiment}", CLAIMS]
    folders += [f"{experiment}{folder}" for folder in ("", "/tables", "/figures", "/.stamps")]
    files = [f"{ROOT}/logs/{step.stage}/{step.id}{ending}" for step in plan.all_steps() for ending in (".log", ".tsv")]
    files += [f"{ROOT}/logs/publish/{experiment}/{kind}.log" for kind in ("tables", "figures", "report")]
    files += [f"{plan.folder()}/.stamps/{kind}" for kind in ("tables", "figures", "report")]
    for path in [*(f"{ROOT}/{folder}" for folder in folders), *files, f"{ROOT}/{CLAIMS}/lock"]:
        if Path(path).is_symlink():
            raise PopleakError(
                f"{path}: a link to {str(Path(path).readlink())[:200]!r}, through which a run would write there: remove it, or move the files here"
            )
