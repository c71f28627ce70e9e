"""What a defence leaks instead: can an adversary read off a released model which mixture it was fine-tuned on? `python benchmarks/fine_tuning_ratio.py`.

One data world, known to the adversary, and one defence in arms that differ in `rehearsal`, the share of the rows that come from S_0.
The question is which arm a model was released by. The adversary is informed: it has shadows of each arm, from a pool of its own, and
judges each victim alone. Asked are the attacks that name one number among many, of all arms at once, and those between two, of each pair of
neighbours and, pair by pair, of all arms. Beside them stands the null, two arms that differ in name alone. Every model has a draw and a base model of its own, so
that trials are independent within a split of the pools; intervals carry the clustering by split.

A mixture takes 0.8 times as many rows as S_0 has: of S_0 alone no more are left once validation rows are held out.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from audit_certificates import records
from common import say, status
from popleak.attacks.base import Game, Query
from popleak.core import plugins
from popleak.core.seeds import derive, generator
from popleak.engine import fit as engine
from popleak.measures import intervals
from popleak.store.records import Loaded
from popleak.testing.defences import Owners

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs/results/benchmarks"
SHARES = (0.0, 0.2, 0.5, 1.0)
WORLDS = ((0.0, 1.0), (1.0, 0.0), (0.3, 0.5))
DEFENCES = ("rehearsal", "scratch")
PAIRS = ("kl", "meta", "threshold", "weights")
MANY = ("kl", "meta", "threshold", *(f"{name} pairwise" for name in PAIRS))
"""Attacks on two arms, and on all: `pairwise` asks an attack on two about each pair of arms, and names the arm that wins most, of equals the
least share."""
TRAINING = {"epochs": 10, "batch": 64, "learning_rate": 0.003, "validation": 0.1}
ROWS, MIXED, QUERY = 2000, 0.8, 500
POOLS = {"victim": 0.4, "shadow": 0.4}


class Arm(NamedTuple):
    """A share of rehearsed rows; copy: tells arms of one share apart, whose models are drawn afresh."""

    share: float
    copy: int = 0

    def __str__(self) -> str:
        return f"{self.share:g}" + "'" * self.copy


ARMS = (*(Arm(share) for share in SHARES), Arm(0.2, 1))
QUESTIONS = (
    tuple(Arm(share) for share in SHARES),
    *((Arm(one), Arm(other)) for one, other in itertools.pairwise(SHARES)),
    (Arm(0.2), Arm(0.2, 1)),
)
"""All arms at once, pairs of neighbours, and the null."""


class Split(NamedTuple):
    """What is asked in one split: points x (q, d), the query set, the layer sizes; models by (role, arm), weights (K, P)."""

    number: int
    x: np.ndarray
    query: Query
    build: Any
    models: Mapping[tuple[str, Arm], np.ndarray]

    def seen(self, access: str, role: str, arm: Arm) -> np.ndarray:
        """Return what an adversary with this access sees of an arm's models, a row a model."""
        weights = self.models[role, arm]
        if access == "weights":
            return weights
        scores = engine.predict(self.build, weights, self.x)
        return (scores >= 0.5).astype(np.float64) if access == "labels" else scores


def made(
    found: Any, defence: str, worlds: tuple[float, float], number: int, seed: int, sizes: Mapping[str, int]
) -> Split:
    """Return one split: its pools, the arms' models in both roles, and its query points."""
    rng = generator(seed, "pools", number)
    order = rng.permutation(len(found.y))
    ends = np.cumsum([int(share * len(order)) for share in POOLS.values()])
    pools = dict(zip((*POOLS, "query"), np.split(order, ends), strict=True))
    plugin = plugins.load("defences", defence)
    models: dict[tuple[str, Arm], np.ndarray] = {}
    build = None
    for role, arm in itertools.product(POOLS, ARMS):
        rows = pools[role]
        kept = Loaded(found.x[rows], found.y[rows], found.a[rows], np.arange(len(rows)), None, {"groups": ["0", "1"]})
        owners = Owners(
            kept, *worlds, model_settings={"widths": (32, 16)}, training=TRAINING, rows=ROWS, models=sizes[role],
            seed=derive(seed, role, number, f"{arm}"),
        )  # fmt: skip
        own = plugin.Settings(rehearsal=arm.share, rows=MIXED)
        models[role, arm] = plugin.apply(owners.owner(plugin, settings=own), own).weights
        build = owners.fitter.build
    points = np.concatenate(
        [rng.choice(pools["query"][found.a[pools["query"]] == group], QUERY, replace=False) for group in (0, 1)]
    )
    origin = np.repeat(np.array([0, 1], np.int8), QUERY)
    return Split(number, found.x[points], Query(found.y[points], found.a[points], origin), build, models)


def named(split: Split, arms: Sequence[Arm], name: str, rows: int, seed: int) -> Iterator[tuple[int, int | None]]:
    """Yield the true arm of each victim, by its number among `arms`, and the arm that an attack named; None: it abstained."""
    name, _, by = name.partition(" ")
    attack = plugins.load("attacks", name)
    shadows, victims = ([split.seen(attack.access, role, arm) for arm in arms] for role in ("shadow", "victim"))
    numbers = [arm.share for arm in arms] if len(set(arms)) == len({arm.share for arm in arms}) else [0.0, 1.0]
    game = Game(
        numbers[0], numbers[-1], rows, "natural", "mlp", seed=derive(seed, name, split.number), sides=split.build.sides, groups=False
    )  # fmt: skip
    told = {"query": split.query, "game": game, "settings": attack.Settings()}
    if by:
        judges = {
            (i, j): attack.calibrate(shadows_0=shadows[i], shadows_1=shadows[j], **told)
            for i, j in itertools.combinations(range(len(arms)), 2)
        }
        for true, seen in enumerate(victims):
            for one in seen:
                won = [pair[judge.score(one) > 0] for pair, judge in judges.items()]
                yield true, int(np.bincount(won, minlength=len(arms)).argmax())
        return
    if len(arms) > 2:
        judge = attack.calibrate_many(shadows=shadows, ratios=numbers, **told)
        yield from ((true, judge.name(one)) for true, seen in enumerate(victims) for one in seen)
        return
    judge = attack.calibrate(shadows_0=shadows[0], shadows_1=shadows[1], **told)
    for true, seen in enumerate(victims):
        for one in seen:
            guess = judge.guess(judge.score(one))
            yield true, None if guess < 0 else guess


def row(splits: Sequence[Split], arms: Sequence[Arm], name: str, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """Return an attack's accuracy in telling the arms apart, with its interval over splits, and the confusion matrix (k, k)."""
    right, total, confusion = [], [], np.zeros((len(arms), len(arms)), dtype=int)
    for split in splits:
        said = list(named(split, arms, name, ROWS, seed))
        right.append(sum(1 / len(arms) if guess is None else float(guess == true) for true, guess in said))
        total.append(len(said))
        for true, guess in said:
            if guess is not None:
                confusion[true, guess] += 1
    chance = 1 / len(arms)
    found = intervals.proportion(np.array(right), np.array(total, float), null=chance)
    kind = "equal" if len({arm.share for arm in arms}) < len(arms) else "all" if len(arms) > 2 else "pair"
    return {
        "question": kind, "arms": " ".join(map(str, arms)), "adversary": name, "chance": chance, "accuracy": found.value,
        "low": found.low, "high": found.high, "p": found.p, "victims": sum(total), "splits": len(splits),
    }, confusion  # fmt: skip


def work(arguments: argparse.Namespace) -> None:
    """Measure, print and write the two tables."""
    found, sizes = records("adult", "sex"), {"victim": arguments.victims, "shadow": arguments.shadows}
    rows, matrices = [], []
    for defence, worlds in itertools.product(DEFENCES, WORLDS):
        splits = [made(found, defence, worlds, number, arguments.seed, sizes) for number in range(arguments.splits)]
        of = {"defence": defence, "world": worlds[0], "towards": worlds[1]}
        for arms in QUESTIONS:
            for name in MANY if len(arms) > 2 else PAIRS:
                told, confusion = row(splits, arms, name, arguments.seed)
                rows.append({**of, **told})
                if len(arms) > 2:
                    matrices += [
                        {
                            **of,
                            "adversary": name,
                            "share": arms[i].share,
                            "named": arms[j].share,
                            "victims": int(confusion[i, j]),
                        }
                        for i, j in np.ndindex(confusion.shape)
                    ]
        say(f"{defence}, world {worlds[0]:g} towards {worlds[1]:g}: done")
    frame = pd.DataFrame(rows)
    print(frame.round(3).to_string(index=False))
    if arguments.output:
        for name, one in (("fine_tuning_ratio", frame), ("fine_tuning_ratio_confusion", pd.DataFrame(matrices))):
            one.to_csv(arguments.output / f"{name}.csv", index=False, float_format="%.4f")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--victims", type=int, default=10, help="of each arm in each split")
    parser.add_argument("--shadows", type=int, default=40, help="of each arm in each split")
    parser.add_argument("--seed", type=int, default=20260601)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the two CSV files")
    return status(work, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
