"""Stage `defend`: base models of some worlds -> the same models under one defence, each towards the other world of a pair."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from . import plugins, store, train
from .defences.base import Data, Defence, Population, Validation
from .engine.fit import Progress, hold_out, predict_rows
from .errors import PopleakError
from .measures.fairness import cell_positives
from .populations import ROLES, Models, draws_of, empty, matching, of_role
from .populations import read as read_models
from .populations import write as write_models
from .reuse import no_keys
from .settings import Settings


class Owner:
    """What a defence trains with: the engine, the models' seeds (K,), and their whole draws S_0 (K, n), cut into the rows
    that the base models were trained on (`kept`) and those held out (`held`)."""

    def __init__(self, fitter: train.Fitter, base: np.ndarray, seeds: np.ndarray, progress: Progress) -> None:
        self.fitter, self.seeds, self.progress = fitter, seeds, progress
        self.kept, self.held = hold_out(base, seeds, fitter.validation)

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
        aside, clean = self._aside(rows, part) if penalty is not None else (None, None)
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
        """Return the rows (k, v) held out of S_0 and of `rows`, and which of them (k, v) no training of the model has seen.

        A complement from a world that shares a group with S_0 may hold rows of S_0, and rehearsal rows are rows of S_0.
        """
        tuned, tuned_out = hold_out(rows, self.seeds[part], self.fitter.validation)
        aside = np.concatenate([self.held[part], tuned_out], 1)
        size = self.fitter.size  # a poisoned twin has the features of its record: who saw one has seen the other
        clean, trained = np.empty(aside.shape, dtype=bool), np.zeros(size, dtype=bool)
        for k, seen in enumerate(zip(self.kept[part], tuned, strict=True)):
            for rows_of in seen:
                trained[rows_of % size] = True
            clean[k] = ~trained[aside[k] % size]
            for rows_of in seen:
                trained[rows_of % size] = False
        return aside, clean

    def _validation(self, weights: np.ndarray, rows: np.ndarray, clean: np.ndarray) -> Validation:
        """Return what each model does on its own clean rows of (k, v)."""
        positives, counts = np.zeros((len(rows), 2, 2)), np.zeros((len(rows), 2, 2), np.int64)
        if not rows.shape[1]:
            return Validation(positives, counts)
        records, how = self.fitter.records, self.fitter.how
        scores = predict_rows(
            self.fitter.build, weights, self.fitter.table, rows, threads=how.threads, device=how.device
        )
        for k, (score, row, ok) in enumerate(zip(scores, rows, clean, strict=True)):
            kept = row[ok]
            (positives[k],), counts[k] = cell_positives(score[ok][None], records.y[kept], records.a[kept])
        return Validation(positives, counts)


def run(
    *,
    settings: Mapping[str, Any],
    data: Path,
    draws: Sequence[Path],
    complement: Sequence[Path],
    models: Mapping[str, Sequence[Path]],
    outputs: Mapping[str, Path],
    step: str,
    code: str,
    how: train.How,
) -> None:
    """Apply one defence to the base models in each of this job's directions, or its part of them; write victims and shadows.

    draws, models: the base draws and, by role, the base models of all worlds that the directions start from.
    """
    worlds = [world for world, _ in settings["directions"]]
    records = train.known(data, worlds)
    defence = plugins.load("defences", settings["defence"])
    own = defence.Settings.model_validate(settings["defence_settings"])
    inputs = [data, *draws, *complement, *(path for role in ROLES for path in models[role])]
    facts = store.provenance(
        stage="defend", step=step, settings=settings, code=code, inputs=inputs, device=how.resolved()
    )
    fitter = train.Fitter(settings, records, how, train.plain_size(records, worlds))
    there = train.shelf(facts, outputs, fitter)
    apply = functools.partial(defended, defence, own, fitter)
    with ExitStack() as files:
        writers = {role: files.enter_context(store.Writer(outputs[role], facts)) for role in ROLES}
        for world, other_world in settings["directions"]:
            base_draws, other_draws = draws_of(draws, world, world), draws_of(complement, world, other_world)
            for role in ROLES:
                keys, rows = of_role(base_draws, role, settings["part"])
                if role not in settings["roles"]:
                    write_models(writers[role], empty(keys), no_keys())
                    continue
                other_keys, other = of_role(other_draws, role, settings["part"])
                base = matching(read_models(models[role], world=world), keys["seed"])
                if base is None or not np.array_equal(keys["seed"], other_keys["seed"]):
                    raise PopleakError(
                        f"{models[role][0]}: holds other models than {draws[0]} and {complement[0]}: delete it and run again"
                    )
                made_of = there.keys(keys["seed"], rows, other, base.weights)
                make = functools.partial(apply, base, rows, other, f"defend {step} {world} {role}s")
                found = there.complete(role, world, other_world, made_of, train.MADE, make)
                keys = {**keys, "from_world": other_keys["from_world"]}
                write_models(writers[role], Models(keys, *(found[name] for name in train.MADE)), made_of)
    there.tell()


def defended(
    defence: Defence,
    own: Settings,
    fitter: train.Fitter,
    base: Models,
    rows: np.ndarray,
    other: np.ndarray,
    what: str,
    part: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the columns of models `part` (k,) of those with draws `rows` (K, n) and complements `other` (K, n)."""
    rows, other, seeds = rows[part], other[part], base.keys["seed"][part]
    owner, group = Owner(fitter, rows, seeds, Progress(what, len(part))), fitter.records.a
    owned = Data(owner.kept, group[owner.kept], group[rows].mean(1), other, group[other])
    names = Population.__dataclass_fields__
    before = Population(*(getattr(base, name)[part] for name in names))
    after = defence.apply(population=before, data=owned, train=owner.train, seeds=seeds, settings=own)
    weights = after.weights.astype(np.float32)
    way = travel(before.weights, weights) if fitter.model.gradient else np.full(len(part), np.nan)
    return {name: getattr(after, name) for name in names} | {"weights": weights, "travel": way}


def travel(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the L2 distance (K,) of weights `after` (K, P) from `before`, in units of the norm of `before`; NaN where a model diverged."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        before, after = before.astype(np.float64), after.astype(np.float64)
        found = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    return np.where(np.isfinite(found), found, np.nan)
