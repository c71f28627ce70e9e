"""Stage `defend`: base models of some worlds -> the same models under one defence, each towards the other world of a pair."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..core import plugins
from ..core.errors import PopleakError
from ..core.needs import Mixing, half_up
from ..core.protocols import ROLES, Role
from ..core.settings import Settings
from ..core.worlds import World
from ..defences.base import Data, Defence, Population, Validation
from ..engine.fit import Progress, hold_out, predict_rows
from ..measures.fairness import cell_positives
from ..steps.defend import DefendStep
from ..store import parquet as store
from ..store.populations import Models, draws_of, empty, known, matching, of_role
from ..store.populations import read as read_models
from ..store.populations import write as write_models
from ..store.reuse import no_keys
from . import train


class Owner:
    """What a defence trains with: the engine, the models' seeds (K,), and their whole draws S_0 (K, n), cut into the rows
    that the base models were trained on (`kept`) and those held out (`held`)."""

    def __init__(self, fitter: train.Fitter, base: np.ndarray, seeds: np.ndarray, progress: Progress) -> None:
        self.fitter, self.seeds, self.progress = fitter, seeds, progress
        self.kept, self.held = hold_out(base, seeds, fitter.validation)

    def data(self, complement: np.ndarray, mixing: Mixing) -> Data:
        """Return what a defence is given: the rows that the base models were trained on, and complements (K, n) to mix with them."""
        y, a = self.fitter.records.y, self.fitter.records.a
        return Data(self.kept, y[self.kept], a[self.kept], complement, y[complement], a[complement], mixing)

    def train(
        self,
        rows: np.ndarray,
        part: slice | np.ndarray,
        *,
        start: np.ndarray | None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        penalty: Any = None,
        extra: np.ndarray | None = None,
        held_out: bool = False,
    ) -> tuple[Population, Validation | None]:
        """Train models `part` on `rows` (k, n); return them and what they do on their validation rows, None without an EO term.

        start (k, P): weights to go on from; None starts again from the models' initial weights. epochs, learning_rate: None is
        what the base models were trained with. penalty: the EO term. extra (k, e): rows that only the EO term sees. held_out: the EO
        term sees half of the held-out rows and nothing else, and the other half is left for validation.
        """
        seeds = self.seeds[part]
        nothing = np.empty((len(rows), 0), dtype=np.int64)
        aside, clean = self._aside(rows, part) if penalty is not None else (nothing, nothing.astype(bool))
        if held_out:
            if (clean.sum(1) < 4).any():
                raise PopleakError("config: training.validation: eo_reference held-out needs held-out rows: raise it")
            extra = np.stack([np.resize(row[ok][::2], len(row) // 2) for row, ok in zip(aside, clean, strict=True)])
            for ok in clean:  # the other half is left for validation
                ok[np.flatnonzero(ok)[::2]] = False
        more: dict[str, Any] = {}
        if start is not None:  # the same stream of batches for a defence and its control
            more = {"start": start, "purpose": "fine-tune"}
        fitted = self.fitter(
            rows,
            seeds,
            epochs=epochs,
            learning_rate=learning_rate,
            penalty=penalty,
            extra=extra,
            extra_only=held_out,
            progress=self.progress,
            **more,
        )
        lam = np.full(len(seeds), penalty.weight if penalty is not None else 0.0)
        found = Population(fitted.weights, fitted.finite, lam, fitted.vacuous)
        if penalty is None:
            return found, None
        return found, self._validation(fitted.weights, aside, clean)

    def _aside(self, rows: np.ndarray, part: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows (k, v) held out of S_0 and of `rows`, and which of them (k, v) no training of the model has seen:
        rehearsed rows are rows of S_0, and a defence may give a row twice."""
        tuned, tuned_out = hold_out(rows, self.seeds[part], self.fitter.validation)
        aside = np.concatenate([self.held[part], tuned_out], 1)
        # no model holds a record beside its poisoned twin (`draw`), so ids tell
        clean, trained = np.empty(aside.shape, dtype=bool), np.zeros(len(self.fitter.records.y), dtype=bool)
        for k, seen in enumerate(zip(self.kept[part], tuned, strict=True)):
            for rows_of in seen:
                trained[rows_of] = True
            clean[k] = ~trained[aside[k]]
            for rows_of in seen:
                trained[rows_of] = False
        return aside, clean

    def _validation(self, weights: np.ndarray, rows: np.ndarray, clean: np.ndarray) -> Validation:
        """Return what each model does on its own clean rows of (k, v)."""
        positives, counts = np.zeros((len(rows), 2, 2)), np.zeros((len(rows), 2, 2), np.int64)
        if not rows.shape[1]:
            return Validation(positives, counts)
        records, how, build, table = self.fitter.records, self.fitter.how, self.fitter.build, self.fitter.table
        if build is None or table is None:  # no penalty is asked of a closed form
            return Validation(positives, counts)
        scores = predict_rows(build, weights, table, rows, threads=how.threads, device=how.device)
        for k, (score, row, ok) in enumerate(zip(scores, rows, clean, strict=True)):
            kept = row[ok]
            (positives[k],), counts[k] = cell_positives(score[ok][None], records.y[kept], records.a[kept])
        return Validation(positives, counts)


def run(
    *,
    settings: DefendStep,
    data: Path,
    draw: Sequence[Path],
    complement: Sequence[Path] = (),
    base_victims: Sequence[Path],
    base_shadows: Sequence[Path],
    victims: Path,
    shadows: Path,
    step: str,
    code: str,
    how: train.How,
) -> None:
    """Apply one defence to the base models in each of this job's directions, or its part of them; write victims and shadows.

    draw, base_victims, base_shadows: the base draws and base models of all worlds that the directions start from; complement: the draws
    of the directions, none for a defence that trains on none.
    """
    models: dict[Role, Sequence[Path]] = {"victim": base_victims, "shadow": base_shadows}
    outputs: dict[Role, Path] = {"victim": victims, "shadow": shadows}
    worlds = settings.own_worlds
    records = known(data, worlds)
    defence = plugins.load("defences", settings.defence)
    own = defence.Settings.model_validate(settings.defence_settings)
    inputs = [data, *draw, *complement, *(path for role in ROLES for path in models[role])]
    facts = store.provenance(
        stage="defend", step=step, settings=settings.plain(), code=code, inputs=inputs, device=how.resolved()
    )
    fitter = train.Fitter(settings, records, how, train.plain_size(records, worlds))
    there = train.shelf(facts, settings, outputs, fitter)
    label_rate = float(records.y[: fitter.size].mean())
    with ExitStack() as files:
        writers = {role: files.enter_context(store.Writer(outputs[role], facts)) for role in ROLES}
        for world, other_world in settings.directions:
            base_draws = draws_of(draw, world, world)
            other_draws = draws_of(complement, world, other_world) if defence.complement else None
            for role in ROLES:
                keys, rows = of_role(base_draws, role, settings.part)
                if role not in settings.roles:
                    write_models(writers[role], empty(keys), no_keys())
                    continue
                seeds, other = keys["seed"], rows[:, :0]
                if other_draws is not None:
                    other_keys, other = of_role(other_draws, role, settings.part)
                    seeds = other_keys["seed"]
                base = matching(read_models(models[role], world=world), keys["seed"])
                if base is None or not np.array_equal(keys["seed"], seeds):
                    named = " and ".join(str(path) for path in (draw[0], *complement[:1]))
                    raise PopleakError(f"{models[role][0]}: holds other models than {named}: delete it and run again")
                made_of = there.keys(keys["seed"], rows, other, base.weights)
                mixing = mixing_of(settings, world, other_world, rows.shape[1], label_rate)
                what = f"defend {step} {world} {role}s"
                make = functools.partial(defended, defence, own, fitter, base, rows, other, mixing, what)
                found = there.complete(role, world, other_world, made_of, train.MADE, make)
                keys = {**keys, "from_world": np.full(len(rows), other_world)}
                write_models(writers[role], Models(keys, *(found[name] for name in train.MADE)), made_of)
    there.tell()


def mixing_of(settings: DefendStep, world: str, other_world: str, rows: int, label_rate: float) -> Mixing:
    """Return what the mixtures of models of `world`, turned to `other_world`, are made of; rows: of one draw."""
    own, other, poison = World.named(world), World.named(other_world), settings.poison
    poisoned = (1 - poison.label, poison.group) if own.poison and poison else (1, 1)
    return Mixing.of((own, other), rows, settings.mode, label_rate, half_up(own.poison * rows), poisoned)


def defended(
    defence: Defence,
    own: Settings,
    fitter: train.Fitter,
    base: Models,
    rows: np.ndarray,
    other: np.ndarray,
    mixing: Mixing,
    what: str,
    part: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the columns of models `part` (k,) of those with draws `rows` (K, n) and complements `other` (K, n)."""
    rows, other, seeds = rows[part], other[part], base.keys["seed"][part]
    owner = Owner(fitter, rows, seeds, Progress(what, len(part)))
    names = Population.__dataclass_fields__
    before = Population(*(getattr(base, name)[part] for name in names))
    after = defence.apply(
        population=before, data=owner.data(other, mixing), train=owner.train, seeds=seeds, settings=own
    )
    weights = after.weights.astype(np.float32)
    way = travel(before.weights, weights) if fitter.model.gradient else np.full(len(part), np.nan)
    return {name: getattr(after, name) for name in names} | {"weights": weights, "travel": way}


def travel(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the L2 distance (K,) of weights `after` (K, P) from `before`, in units of the norm of `before`; NaN where a model diverged."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        before, after = before.astype(np.float64), after.astype(np.float64)
        found = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    return np.where(np.isfinite(found), found, np.nan)
