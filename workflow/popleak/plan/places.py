"""Where a run writes: below `results`, and nowhere else, also in a folder that somebody else has filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import PopleakError
from ..core.locks import CLAIMS
from ..steps import STAGES
from .build import Plan
from .steps import ROOT

KINDS = ("tables", "figures", "report")
"""What is published, each by a job of its own."""


def check(plan: Plan) -> None:
    """Raise PopleakError for a link through which a run of a plan would write to another place, for one that leads nowhere, and for a file
    in the place of a folder.

    `results`, and `store`, `logs` and `data` in it, may be links: a user's own to a larger disk. Files of the store and published
    files may be too, since a file of the same name takes their place; a log, however, would be written to where it leads.
    """
    own = [ROOT, *(f"{ROOT}/{name}" for name in ("store", "logs", "data"))]
    for path in filter(_dangling, own):
        raise PopleakError(
            f"{path}: a link to {_target(path)}, where there is no folder: mount its disk, make the folder, or remove the link"
        )
    folders = _folders(plan)
    for path in [*folders, f"{ROOT}/{CLAIMS}", *_files(plan)]:
        if Path(path).is_symlink():
            raise PopleakError(
                f"{path}: a link to {_target(path)}, through which a run would write there: remove it, or move the files here"
            )
    for path in [*own, *folders]:  # without a folder of claims a run does
        if Path(path).exists() and not Path(path).is_dir():
            raise PopleakError(f"{path}: a file, where a folder of this name is needed: move it away")


def reachable(provider: str | None, settings: Any) -> None:
    """Raise PopleakError if the store is to lie in a bucket for which the client finds no credentials: Snakemake would print a traceback
    for every file of the store.

    provider: the name of Snakemake's storage provider, None for a folder; settings: that provider's. Credentials that are wrong show only
    when the service is asked.
    """
    if provider != "s3" or settings.access_key:
        return
    import boto3  # which the provider needs, and nothing else

    if (
        boto3.session.Session().get_credentials() is None
    ):  # the client's own search: its variables, files, the machine's role
        raise PopleakError(
            "no credentials for the bucket: set SNAKEMAKE_STORAGE_S3_ACCESS_KEY and SNAKEMAKE_STORAGE_S3_SECRET_KEY, or those that "
            "boto3 reads (docs/cluster-kubernetes.md)"
        )


def _dangling(path: str) -> bool:
    return Path(path).is_symlink() and not Path(path).is_dir()


def _target(path: str) -> str:
    return repr(str(Path(path).readlink())[:200])


def _fetched(plan: Plan) -> list[Path]:
    """Return the files DATASET/FILE that are fetched into results/data, whose logs are in a folder of that name."""
    return [Path(path).relative_to(ROOT, "data") for path in plan.fetches]


def _folders(plan: Plan) -> list[str]:
    """Return the folders that a run writes into, without that of the claims."""
    experiment = plan.experiment.experiment
    found = [f"store/{stage}" for stage in STAGES]
    found += [f"logs/{stage}" for stage in (*STAGES, "publish", "page", "fetch")]
    found += [
        f"logs/publish/{experiment}",
        *(f"{experiment}{part}" for part in ("", "/tables", "/figures", "/.stamps")),
    ]
    above = [folder for path in _fetched(plan) for folder in path.parents if folder.name]
    found += [f"{kind}/{folder}" for kind in ("data", "logs/fetch") for folder in above]
    return [f"{ROOT}/{folder}" for folder in found]


def _files(plan: Plan) -> list[str]:
    """Return the files that a run writes where they are, and not by a file that takes their place."""
    experiment, logs = plan.experiment.experiment, f"{ROOT}/logs"
    return [
        *(f"{logs}/{step.stage}/{step.id}{ending}" for step in plan.all_steps() for ending in (".log", ".tsv")),
        *(f"{logs}/publish/{experiment}/{kind}{ending}" for kind in KINDS for ending in (".log", ".stamp.log")),
        f"{logs}/page/{experiment}.log",
        *(f"{logs}/fetch/{path}.log" for path in _fetched(plan)),
        *(f"{plan.folder()}/.stamps/{kind}" for kind in KINDS),
        f"{ROOT}/{CLAIMS}/lock",
    ]
