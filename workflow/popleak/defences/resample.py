"""Re-sampling: the rows of S_0 are brought to a target ratio before the model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from ..core.errors import PopleakError
from ..core.needs import LEAST, Mixing, Stratum, half_up
from . import _ledger
from .base import Defence, MixtureSettings, Owner, Population, TrainSettings, Used, subsample

MOST = 10
"""Times as many rows as S_0 has that repeating may come to."""
Wanted = dict[Stratum, int]


class Resample(Defence):
    """A new model, from the same initial weights as M_0, trained on rows re-sampled to a target ratio (Suri et al., "Dissecting distribution
    inference", SaTML 2023).

    Under-sampling drops rows of the larger group and over-sampling repeats those of the smaller one, as evenly as can be; neither
    can add a group that S_0 lacks, and the plan then refuses it. `exact` takes from S_0 as many rows of each group as are
    asked for, and what is missing from the complement. Where labels are balanced, counts are exact by label and group.

    The number of rows tells the ratio as well as any answer does. So it is by default the same in both worlds: that of the world which
    gives fewer when rows are dropped, more when they are repeated. Then `under` and `exact` train on rows whose law does not know the
    world, and are certified at advantage 0 (statement A of docs/certificates.md; with rows of S_0 alone T is empty). `over` is
    not: how many of its rows are copies tells the ratio of S_0. A copied row is never on both sides of validation: records are
    held out first, and repeated on their own side.
    """

    name = "resample"
    summary = (
        "train on S_0 brought to a target ratio: rows dropped, repeated, or taken from the complement in exact counts"
    )
    access = "training"
    classes = None
    generators = True
    closed_form = True

    class Settings(MixtureSettings, TrainSettings):
        ratio: float = Field(default=0.5, gt=0, lt=1)
        """P(a = 1) of the rows that the model is trained on."""
        how: Literal["under", "over", "exact"] = "exact"
        """Drop rows of the larger group, repeat rows of the smaller one, or take exact counts and what S_0 lacks from the complement. `rows` is
        for the last."""
        size: Literal["shared", "own"] = "shared"
        """Number of rows if they are dropped or repeated: the same in both worlds, or as it comes out of S_0's own counts."""

        def unused(self) -> set[str]:
            return super().unused() | ({"size"} if self.how == "exact" else {"rows"})

    def complements(self, settings: Resample.Settings) -> bool:
        return settings.how == "exact"

    def used(self, settings: Resample.Settings, held_out: float = 0.0) -> Used:
        # at most: how many of each depends on the ratio of S_0
        return Used(settings.rows, settings.rows, 0.0) if settings.how == "exact" else Used(1.0, 0.0, 0.0)

    def refuses(self, mixing: Mixing, settings: Resample.Settings) -> str | None:
        if mixing.replaced:
            return (
                f"how: {settings.how}: counts how many rows of each group, or of each label in it, S_0 has, and where its sharer replaced rows that is "
                "not known before they are drawn: leave it out of worlds of protocol fairness-poisoning and label-flipping"
            )
        try:
            wanted(mixing, settings)
        except PopleakError as error:
            return str(error)
        return None

    def certify(self, owner: Owner, settings: Resample.Settings) -> np.ndarray:
        counts = wanted(owner.mixing, settings)
        if settings.how == "over" or counts != wanted(owner.mixing.turned, settings):
            return np.full(len(owner.seeds), np.nan)
        return _ledger.composed(owner, counts)

    def apply(self, owner: Owner, settings: Resample.Settings) -> Population:
        return owner.train(resampled(owner, settings), **settings.steps)[0]


def wanted(mixing: Mixing, settings: Resample.Settings) -> Wanted:
    """Return how many rows of each stratum the model is trained on. Raises PopleakError where the ratio is out of reach."""
    if settings.how == "exact":
        whole, own, other = mixing.at(settings.ratio, half_up(settings.rows * mixing.rows)), mixing.own, mixing.other
        for stratum, rows in whole.items():
            if rows > own[stratum] + other[stratum]:
                raise PopleakError(
                    f"how: exact: {rows} rows of {named(stratum)} are asked for, and S_0 and the complement have {own[stratum] + other[stratum]} "
                    f"together: lower `rows`, or change `ratio`"
                )
        return whole
    sizes = [size(one, settings) for one in ((mixing, mixing.turned) if settings.size == "shared" else (mixing,))]
    return mixing.at(settings.ratio, min(sizes) if settings.how == "under" else max(sizes))


def size(mixing: Mixing, settings: Resample.Settings) -> int:
    """Return the most rows at the target ratio that S_0 holds (`under`), or the fewest that hold S_0 (`over`). Raises PopleakError where
    there are no such rows."""
    own, total = mixing.own, 1000 * mixing.rows
    there = {key: rows for key, rows in mixing.at(settings.ratio, total).items() if rows}  # shares, to many digits
    if missing := [key for key in there if not own[key]]:
        raise PopleakError(
            f"how: {settings.how}: S_0 at the ratio {mixing.ratios[0]:g} has no row of {named(missing[0])}, so that no row dropped or repeated "
            f"brings it to {settings.ratio:g}: use `how: exact`, which takes such rows from the complement"
        )
    ends = [own[key] * total / rows for key, rows in there.items()]
    slack = 3 * total // min(there.values()) + 1  # counts are rounded, by label and group twice
    found, most = min(int(min(ends)) + slack, mixing.rows), MOST * mixing.rows
    if settings.how == "under":
        while found and not _inside(mixing.at(settings.ratio, found), own):
            found -= 1
    else:
        found = max(int(max(ends)) - slack, mixing.rows)
        while found <= most and not _inside(own, mixing.at(settings.ratio, found)):
            found += 1
    if not LEAST <= found <= most:
        raise PopleakError(
            f"how: {settings.how}: S_0 at the ratio {mixing.ratios[0]:g} comes to {f'fewer than {LEAST}' if found < LEAST else f'more than {most}'} "
            f"rows at {settings.ratio:g}: change `ratio` or `how`"
        )
    return found


def named(stratum: Stratum) -> str:
    """Return a stratum in words."""
    label, group = stratum
    return f"group {group}" + ("" if label is None else f" with label {label}")


def _inside(fewer: Mapping[Stratum, int], more: Mapping[Stratum, int]) -> bool:
    return all(rows <= more[stratum] for stratum, rows in fewer.items())


def resampled(owner: Owner, settings: Resample.Settings) -> np.ndarray:
    """Return the rows (K, m) that each model is trained on, validation rows among them."""
    counts, purpose = wanted(owner.mixing, settings), "resample"
    if settings.how == "over":
        return np.stack(repeated(owner, counts))
    own = {stratum: min(rows, owner.mixing.own[stratum]) for stratum, rows in counts.items()}
    kept = subsample(owner, owner.draw, own, purpose)
    if settings.how == "under":
        return kept
    lacking = {stratum: rows - own[stratum] for stratum, rows in counts.items()}
    return np.concatenate([subsample(owner, owner.complement, lacking, purpose), kept], 1)


def repeated(owner: Owner, counts: Wanted) -> list[np.ndarray]:
    """Return the rows (m,) of each model: all of S_0, each stratum repeated to its number in `counts`.

    Records are held out first, about the share of each stratum that validation holds out of all rows, and each side is repeated on its
    own, so that both have the target ratio, to a row, and no record in common.
    """
    kept, out = owner.places(sum(counts.values()))
    held = aside(owner.mixing.own, counts, out.shape[1])
    every = subsample(owner, owner.draw, owner.mixing.own, "resample")  # by stratum, within one at random
    ends = np.cumsum(list(owner.mixing.own.values()))[:-1]
    found = []
    for mine, train, validate in zip(every, kept, out, strict=True):
        parts = [
            (np.resize(rows[records:], counts[stratum] - places), np.resize(rows[:records], places))
            for stratum, rows in zip(owner.mixing.own, np.split(mine, ends), strict=True)
            for records, places in (held[stratum],)
        ]
        rows = np.empty(len(train) + len(validate), dtype=mine.dtype)
        rows[train], rows[validate] = (np.concatenate(side) for side in zip(*parts, strict=True))
        found.append(rows)
    return found


def aside(own: Mapping[Stratum, int], counts: Mapping[Stratum, int], out: int) -> dict[Stratum, tuple[int, int]]:
    """Return of each stratum how many records validation holds out, and how many of the `out` rows that it holds out they fill."""
    total, found, left = sum(counts.values()), {}, out
    last = max(own, key=lambda stratum: own[stratum])
    for stratum, rows in own.items():
        if stratum == last:
            continue
        records = min(half_up(out * rows / total), max(rows - 1, 0))
        places = min(half_up(out * counts[stratum] / total), left) if records else 0
        found[stratum], left = (records if places else 0, places), left - places
    found[last] = (min(max(half_up(out * own[last] / total), 1), left), left)
    return found


PLUGIN = Resample()
