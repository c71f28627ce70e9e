"""Stage `query`: every model, under every defence, answers the query set of its pool split, in some games."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..core import plugins
from ..core.frozen import Frozen, Stream
from ..core.protocols import ROLES, Role
from ..core.seeds import generator
from ..engine.fit import Table, predict, predict_rows
from ..steps.arms import Answering, Arm, with_files
from ..steps.base import Plain
from ..steps.query import QueryStep
from ..store import arrays
from ..store import parquet as store
from ..store.answers import Points, read_points
from ..store.populations import FOUND, Models, empty
from ..store.populations import read as read_models
from ..store.records import Loaded
from ..store.records import read as read_records
from .train import Engine

NONE = "none"


class Asked(Protocol):
    """What is stored of models of one architecture."""

    @property
    def model(self) -> str: ...

    @property
    def model_settings(self) -> Plain: ...


def run(
    *,
    settings: QueryStep,
    data: Path,
    points: Path,
    victim_models: Sequence[Path] = (),
    shadow_models: Sequence[Path] = (),
    victims: Path,
    shadows: Path,
    step: str,
    code: str,
    how: Engine,
) -> None:
    """Score the query sets. victim_models, shadow_models: the files of all arms, in the order and number that the settings give."""
    models: dict[Role, Sequence[Path]] = {"victim": victim_models, "shadow": shadow_models}
    outputs: dict[Role, Path] = {"victim": victims, "shadow": shadows}
    paths = [path for role in ROLES for path in models[role]]
    facts = store.provenance(
        stage="query",
        step=step,
        settings=settings.plain(),
        code=code,
        inputs=[data, points, *paths],
        device=how.resolved(),
    )
    asking = Asking(settings, read_records(data), how, settings.repeats)
    with ExitStack() as stack:
        writers = {role: stack.enter_context(store.Writer(outputs[role], facts)) for role in ROLES}
        for game in settings.pairs:
            sets = read_points(points, game.pair)
            for role in ROLES:
                for arm, files in with_files(settings.arms[role], models[role]):
                    for b in range(len(game.worlds)):
                        world, from_world = game.direction(b, base=arm.base)
                        population = read_models(files, world=world, from_world=from_world)
                        for piece in asking(population, b, game.pair, arm, sets):
                            writers[role].add(piece)
                if not settings.arms[role]:  # shadows of another architecture come without victims
                    writers[role].add(asking.nobody(game.pair, sets))


class Asking:
    """Queries models of one architecture. repeats: how many times each query is asked, for models that answer at
    random."""

    def __init__(self, settings: Asked, records: Loaded, how: Engine, repeats: Sequence[int] = (1,)) -> None:
        self.model = plugins.load("models", settings.model)
        self.own = self.model.Settings.model_validate(settings.model_settings)
        self.repeats, self.records, self.how = repeats, records, how
        self._table: Table | None = None

    def scores(self, weights: np.ndarray, rows: np.ndarray, members: int = 1) -> np.ndarray:
        """Return the models' own scores (K, q), or (K, q, C) for C > 2 classes, on rows (q,) of the records; of releases that hold several
        models each, weights (K, members * P), those of all members, (K, members, q) or (K, members, q, C)."""
        if members == 1:
            return answer(self.model, self.own, weights, self.records, rows, self.how)
        each = answer(self.model, self.own, weights.reshape(len(weights) * members, -1), self.records, rows, self.how)
        return each.reshape(len(weights), members, *each.shape[1:])

    @staticmethod
    def members(arm: Answering | None) -> int:
        """Return how many models a release holds in an arm."""
        if arm is None:
            return 1
        defence = plugins.load("defences", arm.defence)
        return int(defence.members(defence.Settings.model_validate(arm.settings)))

    def own_scores(self, weights: np.ndarray, rows: np.ndarray, members: int = 1) -> np.ndarray:
        """Return the models' own scores (K, n), or (K, n, C) for C > 2 classes, each on its own rows (K, n) of the records; of releases that
        hold several models each those of all members, (K, members, n) or (K, members, n, C)."""
        if members > 1:
            each = self.own_scores(weights.reshape(len(weights) * members, -1), np.repeat(rows, members, 0))
            return each.reshape(len(weights), members, *each.shape[1:])
        if not self.model.gradient:
            alone = [answer(self.model, self.own, weights[k : k + 1], self.records, row) for k, row in enumerate(rows)]
            return np.concatenate(alone)
        if self._table is None:
            self._table = Table.of(self.records.x, self.records.y, self.records.a)
        build = self.model.architecture(self.records.x.shape[1], self.own, self.records.classes)
        how = self.how
        return predict_rows(
            build, weights, self._table, rows, threads=how.threads, device=how.device, backend=how.backend
        )

    @staticmethod
    def given(
        arm: Answering,
        seed: int,
        scores: np.ndarray,
        rows: np.ndarray,
        group: np.ndarray,
        state: np.ndarray,
        repeats: int,
        purpose: str = "answers",
    ) -> np.ndarray:
        """Return the answers (repeats, q) of a release with these scores (q,), or (members, q), state (S,) and seed to the points at
        rows (q,) of these groups (q,), under a defence that changes the model's answers. purpose: of the random stream."""
        defence = plugins.load("defences", arm.defence)
        defence_settings = defence.Settings.model_validate(arm.settings)
        # without the defence's name: arms are paired
        rng: Stream = generator(int(seed), purpose, repeats)
        if defence.freezes(defence_settings):
            rng = Frozen(int(seed), rows)
        return defence.answer(
            scores=scores, group=group, state=state, repeats=repeats, rng=rng, settings=defence_settings
        )

    def __call__(
        self, there: Models, world: int, pair: str, arm: Arm, sets: Mapping[int, Points]
    ) -> Iterator[dict[str, Any]]:
        """Yield the columns of one world's answers as one arm: once, or for each number of repeats."""
        several = self.members(arm.answers)
        held = () if several == 1 else (several,)
        shape = (len(there.weights), _width(sets), *_each(self.records))
        scores = np.empty((*shape[:1], *held, *shape[1:]), dtype=np.float32)
        rows, group = np.empty(shape[:2], dtype=np.int64), np.empty(shape[:2], dtype=np.int8)
        for split, asked in sets.items():
            in_split = there.keys["split"] == split
            if in_split.any():
                scores[in_split] = self.scores(there.weights[in_split], asked.rows, several)
                rows[in_split], group[in_split] = asked.rows, asked.a
        if arm.answers is None:
            yield _columns(there, world, pair, arm.arm, 1, "scores", scores)
            return
        for repeats in self.repeats if arm.answers.randomised else (1,):
            mean, share = np.empty(shape, np.float32), np.empty(shape, np.float32)
            for k, seed in enumerate(there.keys["seed"]):
                given = self.given(arm.answers, seed, scores[k], rows[k], group[k], there.state[k], repeats)
                mean[k], share[k] = given.mean(0), votes(given)
            yield _columns(there, world, pair, arm.arm, repeats, "scores", mean)
            if repeats > 1:
                yield _columns(there, world, pair, arm.arm, repeats, "labels", share)

    def nobody(self, pair: str, sets: Mapping[int, Points]) -> dict[str, Any]:
        """Return the columns of an empty table of answers."""
        keys = {name: np.empty(0, np.int64) for name in KEPT} | {"ratio": np.empty(0)}
        scores = np.empty((0, _width(sets), *_each(self.records)), np.float32)
        return _columns(empty(keys), 0, pair, NONE, 1, "scores", scores)


def votes(given: np.ndarray) -> np.ndarray:
    """Return the share (q,) of a model's answers (repeats, q) with label 1, or (q, C) with each label; the first
    answer breaks ties, so that they favour no label."""
    if given.ndim == 3:
        each = np.arange(given.shape[2]) == given.argmax(axis=2)[..., None]
        share = each.mean(axis=0, dtype=np.float32)
        return np.where(each[0], share, np.nextafter(share, np.float32(0)))
    labels = given >= 0.5
    share = labels.mean(axis=0)
    return np.where((share == 0.5) & ~labels[0], np.nextafter(np.float32(0.5), np.float32(0)), share)


KEPT = ("split", "model_index", "seed", "ratio")


def _width(sets: Mapping[int, Points]) -> int:
    return len(next(iter(sets.values())).rows)


def _each(records: Loaded) -> tuple[int, ...]:
    """Return the shape of a model's answer to one query: () for one number, (C,) for C > 2 classes."""
    return (records.classes,) if records.classes > 2 else ()


def _columns(
    there: Models, world: int, pair: str, arm: str, repeats: int, shown: str, scores: np.ndarray
) -> dict[str, Any]:
    size = len(scores)
    words = {name: np.full(size, value) for name, value in (("pair", pair), ("arm", arm), ("shown", shown))}
    return {
        **words, "repeats": np.full(size, repeats), "world": np.full(size, world),
        **{name: there.keys[name] for name in KEPT},
        **{name: getattr(there, name) for name in FOUND}, "scores": arrays.fixed(scores),
    }  # fmt: skip


def answer(
    model: Any, own: Any, weights: np.ndarray, records: Loaded, rows: np.ndarray, how: Engine | None = None
) -> np.ndarray:
    """Return scores of models `weights` (K, P) on rows (q,) of the records: P(y = 1 | x) (K, q), or P(y | x) (K, q, C) for C > 2."""
    if not model.gradient:
        more = {} if records.classes == 2 or model.classes is not None else {"classes": records.classes}
        return model.predict(weights, cell=records.cell, rows=rows, settings=own, **more)
    how = how or Engine()
    build = model.architecture(records.x.shape[1], own, records.classes)
    return predict(build, weights, records.x[rows], threads=how.threads, device=how.device, backend=how.backend)
