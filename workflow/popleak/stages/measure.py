"""Stage `measure`: utility, fairness and bounds of every victim, on all rows of its query pool.

The results are parts of two public tables. An adversary's query points are few because each costs a query, but a
property of the model need not be measured on so few. Each victim is scored once in a job, however many games its
world plays. Its answers are counted by half of the pool, label, group and bin of scores. Everything that depends on a
pair of worlds is computed from these counts.

Each victim is scored once more, on the rows of S_0 that its base model was trained on: membership by the loss is a comparison of these
with the rows of the query pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core import needs
from ..core.errors import PopleakError
from ..core.seeds import generator
from ..core.worlds import World
from ..engine.fit import hold_out
from ..measures import bounds as forms
from ..measures import bounds_finer, classes, fairness, membership, squares
from ..steps.arms import Arm
from ..steps.games import Pair, Played
from ..steps.measure import MeasureStep
from ..store import answers as stored
from ..store import parquet as store
from ..store import schema
from ..store.populations import CERTIFIED, Models, draws_of, of_role
from ..store.populations import read as read_models
from ..store.records import Loaded
from ..store.records import read as read_records
from . import query, split
from ._counts import Pool, Said, Worlds, status
from .train import Engine

DRAWS = 400
"""Bootstrap draws of a model's bounds."""
QUERY, VICTIM = split.POOLS.index("query"), split.POOLS.index("victim")
KEPT = ("split", "model_index", "seed", "ratio")
TOLD = tuple(name for name in Models._fields if name not in ("keys", "weights", "state", *CERTIFIED))
"""Facts on a model in the models' files and in the answers; the table `models` shows those that it has columns for."""
MEASURED = (
    "accuracy", "auc", "accuracy_g0", "accuracy_g1", "gap", "tpr_g0", "tpr_g1", "fpr_g0", "fpr_g1", "delta_eo",
    "delta_eo_sum", "dp_difference", "delta_eo_floor", "delta_eo_crossed", "fpr_difference_squared", "tpr_difference_squared",
    "small_cells", "accuracy_y0_g0", "accuracy_y0_g1", "accuracy_y1_g0", "accuracy_y1_g1",
)  # fmt: skip
"""Columns of `models` that are null for shadows. Those without a meaning for the number of classes are null for
victims too."""
MEMBERSHIP = ("membership_auc", "membership_advantage")
"""Columns of `models` that are null for shadows, and say of victims what their own training rows are told by."""


def run(
    *,
    settings: MeasureStep,
    data: Path,
    pools: Path,
    victim_models: Sequence[Path],
    draw: Sequence[Path],
    shadows: Sequence[Path] = (),
    models: Path,
    bounds: Path,
    step: str,
    code: str,
    how: Engine,
) -> None:
    """Write the parts of `models` and of `bounds`. victim_models: the files of all arms, in the order and number that the settings give;
    draw: the draws of all worlds; shadows: the files of the shadows' answers, an arm each."""
    scoring = Scoring(settings, read_records(data), split.read(pools), victim_models, draw, how)
    model_parts: list[Mapping[str, Any]] = []
    bound_parts: list[Mapping[str, Any]] = []
    for pair, played in zip(settings.pairs, settings.worlds, strict=True):
        constant = {
            "task": settings.task, "model": settings.model_id, "protocol": pair.protocol,
            "ratio_0": pair.ratios[0], "ratio_1": pair.ratios[1], "poison": pair.poison,
        }  # fmt: skip
        worlds = Worlds([World.named(name) for name in played.worlds], settings.mode, scoring.records.facts)
        for defence, arm in ((one, settings.arms[one]) for one in settings.defences):
            sides = [scoring(played, b, arm) for b in range(len(played.worlds))]
            for number, pool in scoring.pools.items():
                said = Said.together([_side(side[number], b) for b, side in enumerate(sides)])
                who = {**constant, "defence": defence, **said.keys}
                floor = stream(settings, pair, defence, number, "floor")
                model_parts.append({**who, "role": "victim", **fair(said, pool, worlds, floor)})
                rng = stream(settings, pair, defence, number)
                bound_parts.append({**who, **bound(said, pool, worlds, rng)})
            if arm not in settings.asked:  # a world of victims alone
                continue
            answers = stored.read(shadows[settings.asked.index(arm)], pair=pair.pair, arm=arm)
            model_parts += [
                {**constant, "defence": defence, "role": "shadow", **one} for one in _shadows(answers, scoring.pools)
            ]
    facts = store.provenance(
        stage="measure", step=step, settings=settings.plain(), code=code, inputs=[data, pools, *victim_models, *draw, *shadows],
        device=how.resolved(),
    )  # fmt: skip
    store.write(models, schema.table("models", model_parts), facts)
    store.write(bounds, schema.table("bounds", bound_parts), facts)


class Scoring:
    """Scores the victims of a job on the pools of their splits."""

    def __init__(
        self,
        settings: MeasureStep,
        records: Loaded,
        pools: Mapping[int, np.ndarray],
        files: Sequence[Path],
        draw: Sequence[Path],
        how: Engine,
    ) -> None:
        self.records, self.asking = records, query.Asking(settings, records, how)
        self.draw, self.validation = draw, settings.validation
        self.arms = {arm.arm: (arm, mine) for arm, mine in query.with_files(settings.victims, files)}
        self.pools = {
            number: Pool.of(shuffled(np.flatnonzero(pool == QUERY), settings, number), records, pool != VICTIM)
            for number, pool in pools.items()
        }
        self._known: dict[tuple[str, ...], dict[int, Said]] = {}
        self._drawn: dict[str, Members] = {}

    def __call__(self, game: Played, b: int, arm: str) -> dict[int, Said]:
        """Return, by split, the counts of the victims of world b of a game in one arm. Victims that were scored for
        another game are not scored again."""
        world, from_world = game.direction(b, base=self.arms[arm][0].base)
        key = (arm, world, from_world)
        if key not in self._known:
            population = read_models(self.arms[arm][1], world=world, from_world=from_world)
            self._known[key] = {
                number: Said.together(list(self._asked(population, number, self.arms[arm][0], world)))
                for number in self.pools
            }
        return self._known[key]

    def _asked(self, population: Models, number: int, arm: Arm, world: str) -> Iterator[Said]:
        """Yield the counts of one split's victims, as many at a time as fit in memory."""
        pool, in_split = self.pools[number], np.flatnonzero(population.keys["split"] == number)
        members = self.asking.members(arm.answers)
        step = max(1, needs.SCORES // (members * len(pool.rows)))
        for start in range(0, len(in_split), step):
            chosen = in_split[start : start + step]
            keys = {name: population.keys[name][chosen] for name in KEPT} | {
                name: getattr(population, name)[chosen] for name in TOLD
            }
            keys["certified_advantage"] = population.certified[chosen]
            scores = self.asking.scores(population.weights[chosen], pool.rows, members)
            if arm.answers is not None:  # the answers that a user gets who asks once
                scores = np.stack(
                    [
                        self.asking.given(arm.answers, seed, one, pool.rows, pool.a, state, 1)[0]
                        for seed, one, state in zip(keys["seed"], scores, population.state[chosen], strict=True)
                    ]
                )
            keys |= self._membership(population, chosen, arm, world, scores, pool)
            yield Said.of(keys, scores, population.finite[chosen], pool)

    def _membership(
        self, population: Models, chosen: np.ndarray, arm: Arm, world: str, scores: np.ndarray, pool: Pool
    ) -> dict[str, np.ndarray]:
        """Return the columns of MEMBERSHIP of the victims `chosen` (k,) that answered `scores` on the pool: their losses on the rows of S_0
        that the base model was trained on against those on the pool. Who asks a defence that answers at random asks once."""
        if world not in self._drawn:
            self._drawn[world] = Members.of(self.draw, world, self.validation, len(self.records.y))
        rows, counted = self._drawn[world].rows_of(population.keys["seed"][chosen])
        y, a, several = self.records.y[rows], self.records.a[rows], self.records.classes
        members = self.asking.members(arm.answers)
        inside = self.asking.own_scores(population.weights[chosen], rows, members)
        if arm.answers is not None:
            inside = np.stack(
                [
                    self.asking.given(arm.answers, seed, one, mine, group, state, 1, "answers on S_0")[0]
                    for seed, one, mine, group, state in zip(
                        population.keys["seed"][chosen], inside, rows, a, population.state[chosen], strict=True
                    )
                ]
            )
        found = membership.membership(
            membership.right(inside, y, several), membership.right(scores, pool.y[None], several),
            cells=2 * y.astype(np.int64) + a, pool=2 * pool.y.astype(np.int64) + pool.a, counted=counted,
        )  # fmt: skip
        return dict(zip(MEMBERSHIP, found, strict=True))


class Members(NamedTuple):
    """The rows that the victims of a world were trained on: seed (K,), rows (K, n), and which of them count (K, n): poisoned rows do not, as
    the model was told another label of them."""

    seed: np.ndarray
    rows: np.ndarray
    counted: np.ndarray

    @classmethod
    def of(cls, draw: Sequence[Path], world: str, validation: float, size: int) -> Members:
        """Return those of a world's draws; size: the number of records, beyond which poisoned twins are numbered."""
        keys, rows = of_role(draws_of(draw, world, world), "victim", (0, 1))
        order = np.argsort(keys["seed"])
        trained, _ = hold_out(rows[order], keys["seed"][order], validation)
        return cls(keys["seed"][order], trained % size, trained < size)

    def rows_of(self, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and `counted` of the victims with these seeds (k,). Raises PopleakError if the draws lack one."""
        place = np.minimum(np.searchsorted(self.seed, seeds), len(self.seed) - 1)
        if not np.array_equal(self.seed[place], seeds):
            raise PopleakError("measure: the draws are of models other than the victims: delete them and run again")
        return self.rows[place], self.counted[place]


def shuffled(rows: np.ndarray, settings: MeasureStep, number: int) -> np.ndarray:
    """Return a pool's rows (m,) in the random order that halves them."""
    return generator(settings.seed, settings.key, "halves", number).permutation(rows)


def _side(said: Said, b: int) -> Said:
    """Return the same with the column `world`. Models of one world may belong to world 0 in one game and to world 1
    in another."""
    return said._replace(keys={**said.keys, "world": np.full(len(said.auc), b)})


def _shadows(answers: stored.Answers, splits: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Yield by split the columns of shadows: who they are and their status, from their answers to the adversary's queries.

    Shadows are the adversary's tools and are never released, so neither their utility nor their fairness is measured.
    """
    names = [*KEPT, *TOLD, "world"]
    for number in splits:
        in_split = answers.keys["split"] == number
        statuses = status(answers.scores[in_split], answers.keys["finite"][in_split])
        keys = {name: answers.keys[name][in_split] for name in names}
        unknown = {name: np.full(len(statuses), np.nan) for name in (*MEASURED, *MEMBERSHIP, "certified_advantage")}
        yield {**keys, **unknown, "status": statuses}


def stream(settings: MeasureStep, pair: Pair, defence: str, split: int, what: str = "bootstrap") -> np.random.Generator:
    """Return the random generator of one pair, defence and split, for the bootstrap or another purpose `what`.
    Different pairs and poisons share no random numbers."""
    return generator(settings.seed, what, settings.task, settings.model_id, pair.pair, defence, split)


def fair(said: Said, pool: Pool, worlds: Worlds, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the measures of K models: columns of `models`, each (K,). rng: for the simulations that more than two
    classes need."""
    unknown = dict.fromkeys(MEASURED, np.full(len(said.auc), np.nan))
    if pool.classes > 2:
        several = classes.fair(said.cells, pool.halved, share=worlds.share, joints=worlds.joints, rng=rng)
        return {**unknown, **several._asdict(), "status": said.status}
    halves = said.positives
    positives = halves.sum(axis=1)
    rates = fairness.rates_of(positives, pool.counts, share=worlds.share)
    accuracy = worlds.accuracies(rates.positives)
    squared = squares.squared_differences(positives, pool.counts, pool.unseen)
    columns = {
        **rates._asdict(),
        "auc": said.auc,
        "gap": accuracy[0] - accuracy[1],
        "delta_eo_floor": fairness.delta_eo_floor(positives, pool.counts),
        "delta_eo_crossed": fairness.crossed(_rate(halves, pool.halved))[0],
        "fpr_difference_squared": squared[:, 0],
        "tpr_difference_squared": squared[:, 1],
        **{f"accuracy_y0_g{a}": 1 - getattr(rates, f"fpr_g{a}") for a in (0, 1)},
        **{f"accuracy_y1_g{a}": getattr(rates, f"tpr_g{a}") for a in (0, 1)},
    }
    return {**{name: columns.get(name, unknown[name]) for name in MEASURED}, "status": said.status}


def bound(said: Said, pool: Pool, worlds: Worlds, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return both sides of every form of the bound for K models: columns of `bounds`, each (K,)."""
    if pool.classes > 2:
        return _bound_of_classes(said, pool, worlds, rng)
    halves, counts = said.positives, pool.counts
    positives = halves.sum(axis=1)
    rates = _rate(positives, counts)
    terms = forms.terms(rates, *worlds.joints)
    over = forms.bootstrap(positives, counts, *worlds.joints, draws=DRAWS, rng=rng)
    size = len(positives)
    sides = (
        "delta_eo", "gap", "rhs_literal", "rhs_corrected", "adv_balanced", "rhs_balanced", "adv", "rhs_coupling",
    )  # fmt: skip
    return {
        **{name: getattr(terms, name) for name in sides},
        "w": np.full(size, terms.w),
        "beta": np.full(size, terms.beta),
        **_forms(over),
        "smallest_cell": np.full(size, counts.min()),
        "small_cells": np.full(size, np.nan),
        **_halves(_rate(halves, pool.halved), terms),
        "queries_to_detect": forms.queries_to_detect(terms.gap, accuracy=worlds.accuracies(rates).mean(axis=0)),
        **_by_scores(said, worlds, rng),
        **_by_groups(said, pool, worlds),
    }


def _forms(over: forms.Excess) -> dict[str, np.ndarray]:
    """Return which forms hold, from the limits (2, K) of left minus right side, and the limits of the literal form."""
    return {
        **{f"{form}_holds": _holds(getattr(over, form)[0]) for form in over._fields},
        "literal_excess_low": over.literal[0],
        "literal_excess_high": over.literal[1],
    }


def _bound_of_classes(said: Said, pool: Pool, worlds: Worlds, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the same for more than two classes; columns based on binned scores or on a second attribute are null."""
    several, over = classes.bound(said.cells, pool.halved, worlds.joints, draws=DRAWS, rng=rng)
    unknown = np.full(len(said.auc), np.nan)
    numbers = ("adv_scores", "delta_eo_scores", "rhs_scores", "scores_excess_low")
    nobody = np.full(len(said.auc), None)
    return {
        **several._asdict(),
        **_forms(over),
        **dict.fromkeys(numbers, unknown),
        **dict.fromkeys(("scores_holds", "scores_exceed_literal"), nobody),
        **_by_groups(said, pool, worlds),
    }


def _by_scores(said: Said, worlds: Worlds, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the advantage of an adversary who sees a record's score, and whether the bound on labels covers it."""
    by_scores = bounds_finer.of_scores(said.cells, *worlds.joints, draws=DRAWS, rng=rng)
    low = by_scores.excess_literal[0]
    return {
        "adv_scores": by_scores.adv,
        "delta_eo_scores": by_scores.delta_eo,
        "rhs_scores": by_scores.rhs,
        "scores_holds": _holds(by_scores.excess[0]),
        "scores_excess_low": low,
        "scores_exceed_literal": np.where(np.isnan(low), None, low > 0),
    }


def _by_groups(said: Said, pool: Pool, worlds: Worlds) -> dict[str, np.ndarray]:
    """Return the bound over intersections with the second attribute; null if the dataset has none."""
    size = len(said.auc)
    if said.groups is None:
        numbers = ("adv_groups", "delta_eo_groups", "delta_eo_groups_measured", "rhs_groups")
        unknown = {name: np.full(size, None) for name in ("groups_holds", "smallest_group_cell")}
        return {**{name: np.full(size, np.nan) for name in numbers}, **unknown}
    rows = bounds_finer.halved(pool.y, pool.a, pool.subgroup)
    by_groups = bounds_finer.of_groups(said.groups, rows, *worlds.joints)
    return {
        "adv_groups": by_groups.adv,
        "delta_eo_groups": by_groups.delta_eo,
        "delta_eo_groups_measured": by_groups.delta_eo_measured,
        "rhs_groups": by_groups.rhs,
        "groups_holds": _holds(by_groups.excess[0]),
        "smallest_group_cell": np.full(size, by_groups.smallest),
    }


def _holds(low: np.ndarray) -> np.ndarray:
    """Return True if the lower limit (K,) of left minus right side is at most 0, False if it is above, None if it is
    unknown."""
    holds = (~(low > 0)).astype(object)
    holds[np.isnan(low)] = None
    return holds


def _rate(positives: np.ndarray, rows: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # an empty cell has no rate: 0 / 0
        return positives / rows


def _halves(rates: np.ndarray, found: forms.Bound) -> dict[str, np.ndarray]:
    """Return the weighted delta on one half of the pool and the advantage on the other.

    rates (K, 2, 2, 2) by half. On the same rows the two would be equal by algebra, and the claim that they move together could not fail.
    Which group has the higher rate is for each half chosen on the other: a magnitude of the half's own rates would be too large by their
    noise, the more so the nearer they are to 1/2, and would fall and rise with it.
    """
    weight = found.pi * found.w_y
    # a label of weight 0 may have no rate
    counted = np.where(weight > 0, rates[..., 1] - rates[..., 0], 0)
    return {
        "weighted_delta": (np.sign(counted[:, 1]) * counted[:, 0]) @ weight,
        "adv_balanced_measured": (np.sign(counted[:, 0]) * counted[:, 1]) @ weight,
    }
