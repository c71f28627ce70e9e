"""What rows of generators show: what is to be checked of sharers and receivers, task by task, each with its interval and verdict.

A check is a number, its 95 % interval and a range that it is to lie in. It holds where the whole interval does, fails where none of it
does, and else nothing can be told. Shares of generators are the exception: they are too few for an interval above .95, so that the number
itself must lie in the range, and it fails where none of the interval does. Ranges were fixed before any number; nothing here is chosen by
what comes out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..core.protocols import FLIPPING, SAMPLES, UNFAIR
from ..figures import _generated as generated
from ..figures import poisoning
from ..measures.intervals import UNKNOWN, Estimate
from ..measures.verdicts import FAILS, HOLDS, LEVEL, OPEN
from .generator_estimates import Check, both, by_ratio, counted, flat, listed_by, mean, rising, share, slope, throughout
from .members import judged

if TYPE_CHECKING:
    import pandas as pd

Frames = Mapping[str, "pd.DataFrame"]
SURE = 0.95
SLACK = 0.02
"""What a generator may have learned wrongly of the ratio, beside the draw of its rows."""
FEW = 200
"""Rows of the adversary that has few."""
NEAR_HALF = 0.03
MORE_COPIES = 0.01
NEARER = 0.05
"""By how much copies may be more, and rows nearer, than of rows that were held out. A generator that memorised nothing lies at 0 and at 1/2
exactly, so that no interval of its numbers would end there."""
FLAT = 0.5
"""Slope of estimates against ratios, up or down, below which little of a ratio is told: half of that of one who knows it."""
KEPT = 0.1
"""How far I(X; Y) of the chosen rows may be from that of clean ones, as a share of it: what the attack asks of itself."""
KEPT_BY = 0.15
"""How far I(S; Y) of a generator's rows may be from that of the sharer's, as a share of it."""
THROUGH = ("none", "synthetic")
"""Receivers of which it is checked that poison reaches them: without a generator, which is the control, and through one."""


def checks(frames: Frames, alike: Collection[str] = ()) -> list[Check]:
    """Return the checks that the tables allow: of `shares` and `samples`, and of `models`, `samples` and `defences`.

    alike: ids of the tasks whose group is a random bit by the config (`alike.tasks`), the control; whatever comes out of others.
    """
    found = [one for one in (*_released(frames, alike), *_poisoned(frames)) if np.isfinite(one.found.value)]
    return sorted(found, key=lambda one: one.name)


def _named(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each task's rows under its name, with the model where a task has several."""
    several = len({*zip(frame["task"], frame["model"], strict=True)}) > frame["task"].nunique()
    for (task, model), part in frame.groupby(["task", "model"], sort=True):
        yield f"{task}, {model}" if several else str(task), part


def _released(frames: Frames, alike: Collection[str]) -> Iterator[Check]:
    """Yield the checks of generators whose rows are attacked, and of these rows as data."""
    if "shares" in frames and len(frames["shares"]):
        for task, rows in _named(generated.judged(frames["shares"])):
            few = rows[(rows["samples"] == FEW) & (rows["knowledge"] == "any") & (rows["access"] == generated.SEEN)]
            kinds = {
                (bool(adaptive), bool(withheld)): part
                for (adaptive, withheld), part in generated.chosen(rows).groupby(["adaptive", "withheld"])
            }
            yield from _seen(task, kinds.get((False, False)))
            hidden = _undefended(kinds.get((False, True)))
            if hidden is not None:
                yield from (_alike if rows["task"].iloc[0] in alike else _withheld)(task, hidden)
            yield from _few(task, few[few["defence"] == "none"])
            yield from _defended(task, kinds)
    if "samples" in frames:
        rows = frames["samples"]
        rows = rows[(rows["protocol"] == SAMPLES) & (rows["defence"] == "none") & rows["finite"].astype(bool)]
        for task, part in _named(rows):
            yield from _copies(task, part)


def _undefended(rows: pd.DataFrame | None) -> pd.DataFrame | None:
    kept = None if rows is None else rows[rows["defence"] == "none"]
    return kept if kept is not None and len(kept) else None


def _error(rows: pd.DataFrame) -> pd.Series:
    return (rows["estimate"] - rows["ratio"]).abs()


def _seen(task: str, rows: pd.DataFrame | None) -> Iterator[Check]:
    if (rows := _undefended(rows)) is None:
        return
    name, error = rows["adversary"].iloc[0], _error(rows)
    found = share(error <= rows["width"] + SLACK, rows["split"])
    said = "with the group in sight, the share of generators whose ratio is read to within Hoeffding's width and .02 is at least .95"
    yield Check("A2", said, task, name, found, counted(found, SURE), f"mean error {error.mean():.3f}")
    found = rising(rows["estimate"], rows["ratio"], rows["split"], task)
    said = (
        "with the group in sight, the order of ratios is kept: Spearman's correlation of mean estimate and ratio is 1"
    )
    yield Check("A2", said, task, name, found, judged(found, 1 - 1e-9))


def _told(rows: pd.DataFrame) -> pd.Series:
    """Return of which generators anything is told; of the others the estimate is 1/2, which is no estimate."""
    return rows["raw"].notna()


def _counts(rows: pd.DataFrame) -> str:
    told = _told(rows)
    clipped = int((rows["clipped"].astype(bool) & told).sum())
    return f"amplification {rows['amplification'].median():.2f}; of {len(rows)} estimates {clipped} clipped, nothing told by {int((~told).sum())}"


def _withheld(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    name, beside, told = rows["adversary"].iloc[0], _counts(rows), _told(rows)
    found = share(told, rows["split"])
    said = "with the group withheld, the share of generators of whose ratio anything is told is at least .95"
    yield Check("A3", said, task, name, found, counted(found, SURE), beside)
    rows = rows[told]
    found = by_ratio(_error(rows), rows) if len(rows) else UNKNOWN
    said = "with the group withheld, the mean absolute error of the ratio, where any is told, is at most .05"
    yield Check("A3", said, task, name, found, judged(found, most=0.05), beside)
    found = rising(rows["estimate"], rows["ratio"], rows["split"], task)
    said = "with the group withheld, the order of ratios, where any is told, is kept: Spearman's correlation of mean estimate and ratio is 1"
    yield Check("A3", said, task, name, found, judged(found, 1 - 1e-9), beside)


def _alike(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    """Yield whether nothing is told of a group that nothing else differs by: the control. That nothing can be told is then as it should be."""
    found = slope(rows)
    said = "where the group is a random bit, estimates without it do not follow the ratio: slope neither above nor below 0, and nearer to it than .5"
    yield Check("A8", said, task, rows["adversary"].iloc[0], found, _idle(found), _counts(rows))


def _idle(found: Estimate) -> str:
    """Return whether estimates tell nothing: their slope may be 0, and is not half of that of one who knows the ratio."""
    if np.isnan(found.low):
        return OPEN
    if found.low > 0 or found.high < 0:
        return FAILS
    return HOLDS if found.low > -FLAT and found.high < FLAT else OPEN


def _few(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    if rows.empty:
        return
    ratio = rows["ratio"]
    drawn = float(np.sqrt(2 * ratio * (1 - ratio) / (np.pi * FEW)).mean())
    if not drawn > 0:
        return
    found = by_ratio(_error(rows) / drawn, rows)
    said = "with 200 rows of a generator, the mean absolute error is at most 1.5 times that of as many rows drawn from the ratio itself"
    yield Check("A4", said, task, rows["adversary"].iloc[0], found, judged(found, most=1.5), f"drawn {drawn:.3f}")


def _defended(task: str, kinds: Mapping[tuple[bool, bool], pd.DataFrame]) -> Iterator[Check]:
    """Yield what is told behind each sharer's defence, to a plain attack and to the adversary that trains generators behind it."""
    for sharer, rows in _by_sharer(kinds.get((False, False))):
        found = mean((rows["estimate"] - 0.5).abs(), rows["split"])
        said = "behind a sharer's defence the share that is counted is 1/2 at every ratio: mean distance at most .03"
        beside = _beside(kinds, sharer, int(rows["samples"].max()))
        yield Check("A5", said, task, sharer, found, judged(found, most=NEAR_HALF), beside)
    for withheld, where in ((False, "in sight"), (True, "withheld")):
        for sharer, rows in _by_sharer(kinds.get((True, withheld))):
            yield from _adaptive(task, sharer, rows, where)


def _adaptive(task: str, sharer: str, rows: pd.DataFrame, where: str) -> Iterator[Check]:
    """Yield what the adversary learns that trains generators behind a sharer's defence: nothing only where it neither errs less than the middle
    nor follows the ratio. A bias, or an order upside down, takes the gain off and leaves the ratio to be read by whoever knows of it."""
    error, found = gained(rows), slope(rows)
    reach = float((rows["ratio"] - _middle(rows)).abs().mean())
    bound = NEAR_HALF / reach if reach > 0 else np.inf  # of the middle alone there is no slope
    follows = flat(found, bound)
    said = (
        f"behind a sharer's defence, group {where}, an adversary that trains generators behind it learns no more than one that always says the middle: "
        "mean absolute error at most .03 less, and estimates that do not follow the ratio either"
    )
    beside = f"slope of its estimates {found.value:.3f} [{found.low:.3f}, {found.high:.3f}], of which less than {bound:.3f} counts as none"
    yield Check("A5", said, task, sharer, error, both((judged(error, -NEAR_HALF), follows)), beside)
    said = (
        f"behind a sharer's defence, group {where}, estimates of that adversary do not follow the ratio: slope, up or down, below that by which an "
        "unbiased one errs .03 less than the middle"
    )
    yield Check("A5", said, task, sharer, found, follows, f"below {bound:.3f}")


def _by_sharer(rows: pd.DataFrame | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows behind each sharer's defence, in the table's order."""
    if rows is not None:
        for sharer in dict.fromkeys(rows["defence"]):
            if sharer != "none":
                yield sharer, rows[rows["defence"] == sharer]


def gained(rows: pd.DataFrame) -> Estimate:
    """Return the mean absolute error less that of always saying the middle of the ratios: below 0 something is told."""
    return mean(_error(rows) - (rows["ratio"] - _middle(rows)).abs(), rows["split"])


def _middle(rows: pd.DataFrame) -> pd.Series:
    return rows["ratios"].map(generated.middle)


def _beside(kinds: Mapping[tuple[bool, bool], pd.DataFrame], sharer: str, drawn: int) -> str:
    """Return what as many rows drawn at 1/2 would differ by, and the error of the adversary that trains generators behind the defence."""
    said = f"{(0.5 / (np.pi * drawn)) ** 0.5:.3f} by the draw of {drawn} rows alone"
    rows = kinds.get((True, False))
    mine = None if rows is None else rows[rows["defence"] == sharer]
    if mine is None or mine.empty:
        return said
    middle = float((mine["ratio"] - _middle(mine)).abs().mean())
    return f"{said}; {mine['adversary'].iloc[0]} errs by {_error(mine).mean():.3f}, always saying the middle by {middle:.3f}"


def _copies(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    rows = rows[rows["compared"] > 0]
    if rows.empty:
        return
    what = str(rows["model"].iloc[0])
    found = mean(rows["copied"] - rows["copied_held_out"], rows["split"])
    said = "no more released rows are copies of the sharer's rows than of as many held-out rows: difference at most .01"
    beside = f"{100 * rows['copied'].mean():.2f} % and {100 * rows['copied_held_out'].mean():.2f} %"
    yield Check("copies", said, task, what, found, judged(found, most=MORE_COPIES), beside)
    found = mean(rows["nearer"], rows["split"])
    said = (
        "released rows are no nearer to the sharer's rows than to held-out ones: share that are at most .05 above 1/2"
    )
    yield Check("copies", said, task, what, found, judged(found, most=0.5 + NEARER))


def _poisoned(frames: Frames) -> Iterator[Check]:
    """Yield the checks of sharers that replace rows: what this makes of models, of rows, and what receivers can do."""
    if "defences" in frames and "models" in frames and len(victims := poisoning.victims(frames["models"])):
        roles = {task: generated.receivers(part) for task, part in frames["defences"].groupby("task")}
        found = [
            roles.get(task, {}).get(defence, "")
            for task, defence in zip(victims["task"], victims["defence"], strict=True)
        ]
        for task, rows in _named(victims.assign(receiver=found)):
            yield from _unfair(task, rows)
            yield from _repaired(task, rows)
            yield from _clean(task, rows)
    if "samples" in frames and len(rows := poisoning.released(frames["samples"])):
        for task, part in _named(rows[(rows["protocol"] == UNFAIR) & (rows["defence"] == "none")]):
            yield from _rows(task, part)


def paired(rows: pd.DataFrame, first: tuple[str, float, str], second: tuple[str, float, str], measure: str) -> Estimate:
    """Return the mean difference of a measure of the same models, first less second, each of (protocol, share, receiver)."""
    sides = [
        rows[(rows["protocol"] == protocol) & (rows["share"] == share) & (rows["receiver"] == receiver)]
        .drop_duplicates(["split", "model_index"])
        .set_index(["split", "model_index"])[measure]
        for protocol, share, receiver in (first, second)
    ]
    differences = (sides[0] - sides[1]).dropna().reset_index()
    return mean(differences[measure], differences["split"]) if len(differences) else UNKNOWN


def _unfair(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    """Yield whether unfairness rises with the share, through a generator and, the control, without one."""
    unfair = rows[(rows["protocol"] == UNFAIR) & rows["receiver"].isin(THROUGH)]
    for receiver, mine in unfair.groupby("receiver", sort=True):
        dosed = mine[mine["share"] > 0]
        for measure, what in (("delta_eo", "Delta_EO"), ("dp_difference", "the demographic-parity difference")):
            kept = dosed[np.isfinite(dosed[measure])]
            found = rising(kept[measure], kept["share"], kept["split"], f"{task} {receiver} {measure}")
            said = (
                f"{what} rises with the share of chosen rows: Spearman's correlation of mean and share is at least .9"
            )
            ends = [float(mine.loc[mine["share"] == end, measure].mean()) for end in (0.0, mine["share"].max())]
            yield Check(
                "A6",
                said,
                task,
                receiver,
                found,
                judged(found, 0.9),
                f"{ends[0]:.3f} at 0, {ends[1]:.3f} at {mine['share'].max():g}",
            )
        top = float(mine["share"].max())
        if top > 0:
            found = paired(mine, (UNFAIR, 0.0, receiver), (UNFAIR, top, receiver), "accuracy")
            said = "accuracy falls by at most .05 at the largest share of chosen rows"
            yield Check("A6", said, task, receiver, found, judged(found, most=0.05))


def _repaired(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    """Yield what a receiver gets who balances and fine-tunes fairly, at the largest share of chosen rows."""
    mine = rows[(rows["protocol"] == UNFAIR) & rows["receiver"].isin(["synthetic", "balanced-fair"])]
    top = float(mine["share"].max()) if len(mine) else 0.0
    if not top > 0:
        return
    found = paired(mine, (UNFAIR, top, "balanced-fair"), (UNFAIR, 0.0, "synthetic"), "delta_eo")
    said = "a receiver who balances and fine-tunes fairly has at the largest share a Delta_EO at most .03 above that of clean rows without either"
    yield Check("A7", said, task, "balanced-fair", found, judged(found, most=0.03))
    found = paired(mine, (UNFAIR, top, "balanced-fair"), (UNFAIR, top, "synthetic"), "accuracy")
    said = "that receiver's accuracy is not below that of one who does neither, at the largest share: difference at least 0"
    yield Check("A7", said, task, "balanced-fair", found, judged(found, 0.0))


def _clean(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    """Yield whether worlds in which nothing is replaced are one, whichever way of replacing they are the clean side of."""
    for receiver in THROUGH:
        for measure, what in (("delta_eo", "Delta_EO"), ("accuracy", "accuracy")):
            found = paired(rows, (UNFAIR, 0.0, receiver), (FLIPPING, 0.0, receiver), measure)
            said = f"a share of 0 changes nothing: {what} with no row chosen less that with no label flipped, of the same models, is 0"
            inside = OPEN if np.isnan(found.low) else HOLDS if found.low <= 0 <= found.high else FAILS
            yield Check("A8", said, task, receiver, found, inside)


def _rows(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    """Yield whether the chosen rows tell as much of the label as clean ones do, how the generator keeps the dependence of group and label, and
    which rows a receiver refuses who tests it."""
    yield from _hidden(task, rows)
    what = str(rows["model"].iloc[0])
    dosed, clean = rows[rows["share"] > 0], rows[rows["share"] == 0]
    yield from _dependent(task, dosed[dosed["information_own"] > 0])
    for part, least, most, where in (
        (clean, -np.inf, 0.05, "no row was chosen: at most .05"),
        (dosed, SURE, np.inf, "rows were chosen: at least .95"),
    ):
        known = part[part["dependence_p"].notna()]
        if len(known):
            found = share(known["dependence_p"] < LEVEL, known["split"])
            said = f"share of generators that a receiver refuses who tests at 5 % that group and label are independent, where {where}"
            yield Check("R4", said, task, what, found, counted(found, least, most))


def _dependent(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    """Yield how far each generator is from the dependence of group and label in the sharer's rows, at every share; too much in one generator is
    not made up for by too little in another."""
    off = rows.assign(off=rows["information"] / rows["information_own"] - 1)
    off = off[np.isfinite(off["off"].to_numpy(dtype=float))]
    if off.empty:
        return
    by_share = {float(level): mean(part["off"].abs(), part["split"]) for level, part in off.groupby("share")}
    worst, found, verdict = throughout(by_share, -KEPT_BY, KEPT_BY)
    said = (
        "I(S; Y) of a generator's rows is within 15 % of that of the sharer's, where rows were chosen: mean absolute relative error over generators, "
        "at every share, the worst"
    )
    signed = {float(level): mean(part["off"], part["split"]) for level, part in off.groupby("share")}
    there = off[off["share"] == worst]
    # to first order, of a weak dependence: Var of the plug-in value of m rows is 2 I / m
    drawn = float(np.sqrt(4 / (np.pi * there["rows"] * there["information_own"])).mean())
    beside = f"the worst is at a share of {worst:g}, where the draw of the rows alone gives about {drawn:.3f}; with its sign {listed_by(signed)}"
    yield Check("A6", said, task, str(rows["model"].iloc[0]), found, verdict, beside)


def _hidden(task: str, rows: pd.DataFrame) -> Iterator[Check]:
    """Yield whether the sharer kept what a receiver could look at, I(X; Y), while it chose rows: at every share, of the same models' rows."""
    keys = ["split", "model_index"]
    clean = rows[rows["share"] == 0].drop_duplicates(keys).set_index(keys)["information_xy_own"]
    dosed = rows[rows["share"] > 0].join(clean.rename("clean_xy"), on=keys)
    dosed = dosed.assign(change=dosed["information_xy_own"] / dosed["clean_xy"].where(dosed["clean_xy"] > 0) - 1)
    dosed = dosed[np.isfinite(dosed["change"].to_numpy(dtype=float))]
    if dosed.empty:
        return
    by_share = {float(level): mean(part["change"], part["split"]) for level, part in dosed.groupby("share")}
    worst, found, verdict = throughout(by_share, -KEPT, KEPT)
    said = "I(X; Y) of the chosen rows is within 10 % of that of clean rows, as the attack asks, at every share: relative change, the worst"
    top = max(by_share)
    rates = [rows.loc[rows["share"] == level, "label_rate"].mean() for level in (0.0, top)]
    beside = f"the worst is at a share of {worst:g}; {listed_by(by_share)}; label 1 among the generator's rows {rates[0]:.3f} at 0, {rates[1]:.3f} at {top:g}"
    yield Check("A6", said, task, str(rows["model"].iloc[0]), found, verdict, beside)
