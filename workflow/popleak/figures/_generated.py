"""Rows of the table `shares` for figures and checks: which attack is which, and what an estimate of the middle would err."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..core.protocols import SAMPLES
from . import _select as select

if TYPE_CHECKING:
    import pandas as pd

SEEN, WITHHELD = "samples", "samples-withheld"
"""What the adversary sees of released rows: with the group, and without."""
PLAIN, CLASSIFIER = "property-inference", "property-classifier"
ADAPTIVE = {SEEN: "shadow-generators", WITHHELD: "shadow-generators-withheld"}
"""Attacks fixed before any generator is looked at; the adaptive ones train generators of their own, behind the same defence."""
FIRST = (PLAIN, CLASSIFIER, ADAPTIVE[SEEN], ADAPTIVE[WITHHELD], "label-rate")
GENERATED = ("synthetic", "fft-generated")
"""Defences whose classifiers train on rows of generators."""
ROLES = ("none", "synthetic", "balanced", "fair", "balanced-fair")
"""What a receiver of rows may do: train on the rows without a generator, on synthetic ones, balance their cells, fine-tune fairly, or both."""


class Seen(NamedTuple):
    """An attack that a reader meets: who it is by the table's columns, not by its id, which a config may choose."""

    adaptive: bool
    withheld: bool

    @property
    def label(self) -> str:
        kind = "adversary with its own generators" if self.adaptive else "plain attack"
        return f"{kind}, group {'withheld' if self.withheld else 'seen'}"


def judged(shares: pd.DataFrame) -> pd.DataFrame:
    """Return the estimates of adversaries that know the sharer's defence, or need not, of generators whose training stayed finite."""
    frame = shares[(shares["protocol"] == SAMPLES).to_numpy()]
    frame = frame[
        frame["knowledge"].isin(["informed", "any"]).to_numpy() & (frame["poison"].fillna(0.0) == 0).to_numpy()
    ]
    return frame[frame["finite"].astype(bool).to_numpy()].reset_index(drop=True)


def chosen(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one attack for each kind of `Seen`, with the columns adaptive and withheld: plain ones with all of the rows that
    were released, of several the first in FIRST, else in the alphabet."""
    frame = frame.assign(
        adaptive=(frame["knowledge"] == "informed").to_numpy(), withheld=(frame["access"] == WITHHELD).to_numpy()
    )
    kept = set()
    for key, part in frame.groupby([*select.FACET, "adaptive", "withheld"], sort=True):
        most = part[part["samples"] == part["samples"].max()]
        names = sorted(
            set(most["adversary"]), key=lambda name: (name not in FIRST, name not in FIRST or FIRST.index(name), name)
        )
        kept.add((*key, names[0]))
    return select.among(frame, [*select.FACET, "adaptive", "withheld", "adversary"], kept).reset_index(drop=True)


def middle(ratios: str) -> float:
    """Return the middle of the worlds' ratios, as the tables list them: their median, which errs least of all estimates that look at nothing."""
    import numpy as np

    return float(np.median([float(ratio) for ratio in ratios.split()]))


def receivers(defences: pd.DataFrame) -> dict[str, str]:
    """Return what each defence of the table `defences` is to a receiver, one of ROLES, by its id and by plugin and settings."""
    import json

    found = {}
    for row in defences.drop_duplicates("defence").to_dict("records"):
        settings = json.loads(row["settings"]) if isinstance(row["settings"], str) else {}
        if row["kind"] == "none":
            found[row["defence"]] = "none"
        elif row["kind"] == "synthetic" and settings.get("sharer", "none") == "none":
            balanced, fair = bool(settings.get("rebalance")), float(settings.get("eo_weight") or 0) > 0
            found[row["defence"]] = {
                (False, False): "synthetic",
                (True, False): "balanced",
                (False, True): "fair",
                (True, True): "balanced-fair",
            }[balanced, fair]
    return found


def span(values: pd.Series, digits: int = 2) -> str:
    """Return the least and the greatest of some numbers, or one where both read alike."""
    low, high = (f"{value:.{digits}f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
