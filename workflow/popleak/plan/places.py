"""Where a run writes: below `results`, and nowhere else, also in a folder that somebody else has filled."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import PopleakError
from ..core.locks import CLAIMS
from ..steps import STAGES
from .build import Plan
from .steps import ROOT


def check(plan: Plan) -> None:
    """Raise PopleakError for a link through which a run of a plan would write to another place, for one that leads nowhere, and for a file
    in the place of a folder.

    `results`, and `store`, `logs` and `data` in it, may be links: a user's own to a larger disk. Files of the store and published
    files may be too, since a file of the same name takes their place; a log, however, would be written to where it leads.
    """
    own = [ROOT, *(f"{ROOT}/{name}" for name in ("store", "logs", "data"))]
    for path in own:
        if Path(path).is_symlink() and not Path(path).is_dir():
            raise PopleakError(
                f"{path}: a link to {str(Path(path).readlink())[:200]!r}, where there is no folder: mount its disk, make the folder, or remove the link"
            )
    folders = [f"store/{stage}" for stage in STAGES]
    folders += [f"logs/{stage}" for stage in (*STAGES, "publish", "page", "fetch")]
    experiment = plan.experiment.experiment
    folders += [f"logs/publish/{experiment}", CLAIMS]
    folders += [f"{experiment}{folder}" for folder in ("", "/tables", "/figures", "/.stamps")]
    files = [f"{ROOT}/logs/{step.stage}/{step.id}{ending}" for step in plan.all_steps() for ending in (".log", ".tsv")]
    kinds = ("tables", "figures", "report")
    files += [f"{ROOT}/logs/publish/{experiment}/{kind}{end}" for kind in kinds for end in (".log", ".stamp.log")]
    files.append(f"{ROOT}/logs/page/{experiment}.log")
    for path in plan.fetches:  # results/data/DATASET/FILE, whose log is in a folder of that name
        below = Path(path).relative_to(ROOT, "data")
        folders += [f"{kind}/{folder}" for kind in ("data", "logs/fetch") for folder in below.parents if folder.name]
        files.append(f"{ROOT}/logs/fetch/{below}.log")
    files += [f"{plan.folder()}/.stamps/{kind}" for kind in kinds]
    for path in [*(f"{ROOT}/{folder}" for folder in folders), *files, f"{ROOT}/{CLAIMS}/lock"]:
        if Path(path).is_symlink():
            raise PopleakError(
                f"{path}: a link to {str(Path(path).readlink())[:200]!r}, through which a run would write there: remove it, or move the files here"
            )
    inside = [f"{ROOT}/{folder}" for folder in folders if folder != CLAIMS]  # without those a run does
    for path in [*own, *inside]:
        if Path(path).exists() and not Path(path).is_dir():
            raise PopleakError(f"{path}: a file, where a folder of this name is needed: move it away")
