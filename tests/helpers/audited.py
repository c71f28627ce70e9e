"""Tables of people whose groups differ or do not, and small audits of them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import yaml

import tiny
import whole
from popleak.cli import release
from popleak.config import resolve
from popleak.plan.build import Plan, build
from popleak.report import audit_file

SMALL = {
    "population": {"splits": 10, "victims": 160, "shadows": 16},
    "defences": ["none", "scratch"],
    "attacks": ["loss", "kl"],
    "worlds": [{"protocol": "pure"}],
    "figures": [],
}


def people(count: int, effect: float, *, seed: int = 0) -> str:
    """Return a table of people as CSV. effect: by how much label and features depend on the group; with 0 it is a column that says nothing."""
    rng = np.random.default_rng(seed)
    man = rng.random(count) < 0.68
    first, second, kind = rng.normal(size=count), rng.normal(size=count) + 0.6 * man * effect, rng.integers(0, 4, count)
    logit = 1.2 * first + np.where(man, -0.9, 0.9) * second * effect + 0.3 * (kind == 1) - 0.4
    rich = rng.random(count) < 1 / (1 + np.exp(-logit))
    rows = (
        f"{40 + 12 * one:.1f},{38 + 9 * two:.1f},{'wxyz'[which]},{'Male' if m else 'Female'},{'>50K' if r else '<=50K'}"
        for one, two, which, m, r in zip(first, second, kind, man, rich, strict=True)
    )
    return "\n".join(["age,hours,kind,sex,income", *rows]) + "\n"


def put(folder: Path, count: int, effect: float, name: str = "people.csv", **more) -> Path:
    path = folder / name
    path.write_text(people(count, effect, **more), encoding="utf-8")
    return path


def config(table: Path, **changes) -> dict:
    """Return the config of an audit of a table, made small."""
    text = release.proposed(table, label="income=>50K", group="sex=Male,Female")
    return {**yaml.safe_load(text), **SMALL, **changes}


class Audited(whole.Ran):
    """A finished small audit, and its file."""

    def __init__(self, folder: Path, count: int, effect: float, **changes) -> None:
        super().__init__(config(put(folder, count, effect), **changes), folder)
        self.page = folder / self.plan.advice.outputs["html"]
        self.file = audit_file.read(self.page.with_suffix(".json"))


def replanned(ran: Audited, **changes) -> Plan:
    """Return the plan of an audit with other settings."""
    raw = config(ran.folder / "people.csv", **changes)
    return build(resolve.load(resolve.merge(resolve.read(tiny.ROOT / "config.yaml"), raw)))


def advised(ran: Audited, plan: Plan) -> audit_file.AuditFile:
    """Make the page of a plan whose tables an audit has made, and return its file."""
    with contextlib.chdir(ran.folder):
        whole.make(plan.advice)
    return audit_file.read(ran.folder / plan.advice.outputs["json"])
