"""The rows of the tables of membership that belong to one task: who is which kind of victim, and what was found of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.protocols import MEMBERSHIP
from ..figures import _select as select
from ..measures import trials
from ..measures.intervals import UNKNOWN, Estimate

if TYPE_CHECKING:
    import pandas as pd

LIRA, INDIRECT = "lira", "lira-indirect"
ANY = -1


def estimate(row: Mapping[str, Any], name: str) -> Estimate:
    """Return a number of a row with its limits."""
    return Estimate(float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"]), np.nan)


def told(defences: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the settings of each defence of one task by its id, with its plugin's name as `kind` and its `control`."""
    rows = defences.drop_duplicates("defence").to_dict("records")
    return {
        row["defence"]: {**json.loads(row["settings"]), "kind": row["kind"], "control": row["control"]} for row in rows
    }


def role(settings: Mapping[str, Any]) -> str:
    """Return what kind of victim a defence makes, by its plugin and settings; "" for none that is checked."""
    kinds = {"none": "base", "fft-rehearsal": "fair", "scratch": "scratch"}
    if settings["kind"] != "distillation":
        return kinds.get(settings["kind"], "")
    teacher = settings.get("teacher", "base")
    if teacher != "base":
        return {"ensemble": "of-several", "fft-rehearsal": "of-fair"}.get(teacher, "")
    if settings.get("rows") == "own":
        return "own"
    if settings.get("near", 0):
        return "near"
    if settings["labels"] == "hard":
        return "hard"
    return "soft" if settings.get("temperature", 1.0) == 1.0 else "warm"


class Task(NamedTuple):
    """One task and model: what is told of its defences, its rows of the tables, and who is the first of each kind of victim."""

    name: str
    told: Mapping[str, Mapping[str, Any]]
    membership: pd.DataFrame
    each: pd.DataFrame
    leakage: pd.DataFrame
    who: Mapping[str, str]

    @classmethod
    def of(cls, frames: Mapping[str, pd.DataFrame], task: str, model: str) -> Task:
        """Return the rows of a task and model, by adversaries that know the defence."""
        mine = {
            name: frames[name][(frames[name]["task"] == task) & (frames[name]["model"] == model)]
            for name in ("membership", "membership_victims", "leakage", "defences")
            if name in frames
        }
        mine.setdefault("membership_victims", mine["membership"].iloc[:0].assign(split=0, model_index=0))
        mine.setdefault("leakage", mine["membership"].iloc[:0])
        known = {
            name: rows[rows["knowledge"].isin(["informed", "any"])] for name, rows in mine.items() if name != "defences"
        }
        about = told(mine["defences"])
        who: dict[str, str] = {}
        for name, settings in about.items():
            if role(settings):
                who.setdefault(role(settings), name)
        several = (
            len({*zip(frames["membership"]["task"], frames["membership"]["model"], strict=True)})
            > frames["membership"]["task"].nunique()
        )
        return cls(
            f"{task}, {model}" if several else task, about, known["membership"], known["membership_victims"],
            known["leakage"], who,
        )  # fmt: skip

    def rows(self, protocol: str, adversary: str | None = None, part: str = "all") -> pd.DataFrame:
        """Return the rows of `membership` of a part, of one attack or of all."""
        found = self.membership[(self.membership["protocol"] == protocol) & (self.membership["part"] == part)]
        return found if adversary is None else found[found["adversary"] == adversary]

    def row(
        self, defence: str, protocol: str = MEMBERSHIP, part: str = "all", adversary: str = LIRA
    ) -> Mapping[str, Any] | None:
        """Return the row of a defence under one attack; None where there is none."""
        found = self.rows(protocol, adversary, part)
        found = found[found["defence"] == defence]
        return found.iloc[0].to_dict() if len(found) else None

    def auc(self, defence: str) -> Estimate:
        row = self.row(defence)
        return UNKNOWN if row is None else estimate(row, "auc")

    def tau(self, defence: str) -> Estimate:
        row = self.row(defence)
        return UNKNOWN if row is None else estimate(row, "tau")

    def rate(self, protocol: str) -> Estimate | None:
        """Return the TPR at an FPR of 1 % of undefended models on the targets; None where they were not asked."""
        row = self.row("none", protocol, "targets")
        return None if row is None else estimate(row, "tpr_01")

    def control(self, defence: str) -> str:
        return str(self.told[defence]["control"] or "")

    def compared(self, defence: str, other: str) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of a defence that compare it with another: of all candidates, then of each label and group."""
        for part in ("all", "cell"):
            rows = self.rows(MEMBERSHIP, LIRA, part)
            yield from rows[(rows["defence"] == defence) & (rows["compared_with"] == other)].to_dict("records")

    def areas(self, defence: str, adversary: str = LIRA) -> np.ndarray:
        """Return the AUC of each victim (M,), split after split."""
        rows = self.each[(self.each["protocol"] == MEMBERSHIP) & (self.each["adversary"] == adversary)]
        rows = rows[rows["defence"] == defence].sort_values(["split", "model_index"], kind="stable")
        return np.asarray(rows["auc"].to_numpy(dtype=float))

    def difference(self, first: str, second: str | None, adversary: str = LIRA, *, level: float = 0.95) -> Estimate:
        """Return the AUC of one defence less that of another, of the same models; None: less 1/2."""
        own = self.areas(first, adversary)
        other = np.full(len(own), 0.5) if second is None else self.areas(second, adversary)
        if not len(own) or len(own) != len(other):
            return UNKNOWN
        splits = int(self.each["split"].nunique())
        return trials.difference(own, other, splits=splits, level=level)

    def doses(self) -> dict[float, str]:
        """Return the students of the base on public rows by their share of near-duplicates, rising, else of one kind."""
        found = {
            float(settings.get("near", 0.0)): name
            for name, settings in self.told.items()
            if role(settings) == "near" or name == self.who.get("soft")
        }
        return dict(sorted(found.items()))

    def best(self) -> dict[str, Estimate]:
        """Return what the best informed adversary reaches at telling pure worlds apart, by defence: its accuracy."""
        if self.leakage.empty:
            return {}
        rows = select.best_informed(self.leakage.reset_index(drop=True))
        rows = rows[(rows["protocol"] == "pure") & rows["accuracy"].notna()]
        return {row["defence"]: estimate(row, "accuracy") for row in rows.to_dict("records")}
