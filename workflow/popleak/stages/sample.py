"""Stage `sample`: rows drawn from each generator of some worlds, as its sharer releases them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ..core import plugins
from ..core.errors import PopleakError
from ..core.needs import half_up
from ..core.protocols import ROLES, Role
from ..core.seeds import derive, generator
from ..engine.fit import Progress
from ..steps.sample import SampleStep
from ..store import parquet as store
from ..store import samples as stored
from ..store.populations import Models, empty
from ..store.populations import read as read_models
from ..store.records import Loaded, original_columns
from ..store.records import read as read_records
from ..store.samples import Samples

KINDS = {"world": "U1", "from_world": "U1", "split": "i8", "model_index": "i8", "seed": "i8", "ratio": "f8"}
"""Types of the keys of no generators."""
MOST = 50
"""Times as many rows as are released that are drawn where the released ones are chosen by group."""


def run(
    *,
    settings: SampleStep,
    data: Path,
    victim_models: Sequence[Path],
    shadow_models: Sequence[Path],
    victims: Path,
    shadows: Path,
    step: str,
    code: str,
) -> None:
    """Draw rows from the generators in `victim_models` and `shadow_models`; write those of victims and those of shadows. The card of the records
    stands in the metadata of both: rows of a generator are no less bound by it."""
    models: dict[Role, Sequence[Path]] = {"victim": victim_models, "shadow": shadow_models}
    outputs: dict[Role, Path] = {"victim": victims, "shadow": shadows}
    records = read_records(data)
    facts = store.provenance(
        stage="sample", step=step, settings=settings.plain(), code=code, inputs=[data, *victim_models, *shadow_models],
        card=records.facts.get("card"), features=records.facts.get("features"), rows=settings.rows,
    )  # fmt: skip
    drawing = Drawing(settings, records)
    with ExitStack() as files:
        for role in ROLES:
            writer = files.enter_context(store.Writer(outputs[role], facts))
            for world, from_world in settings.made:
                found = (
                    read_models(models[role], world=world, from_world=from_world)
                    if role in settings.roles
                    else empty({name: np.empty(0, kind) for name, kind in KINDS.items()})
                )
                writer.add(stored.columns(drawing(found, f"sample {step} {world} {role}s")))


class Drawing:
    """Draws rows from generators of one kind."""

    def __init__(self, settings: SampleStep, records: Loaded) -> None:
        self.settings, self.columns, self.classes = settings, original_columns(records), records.classes
        self.model = plugins.load("models", settings.model)
        self.own = self.model.Settings.model_validate(settings.model_settings)

    def __call__(self, models: Models, what: str) -> Samples:
        """Return the rows of each generator."""
        progress, parts = Progress(what, len(models.weights)), []
        for k, (weights, seed) in enumerate(zip(models.weights, models.keys["seed"], strict=True)):
            parts.append(self.one(weights, int(seed)))
            progress(k + 1)
        width = len(self.columns.numbers) + len(self.columns.categories)
        shape = (len(parts), self.settings.rows)
        y, a = (np.array([part[i] for part in parts], np.int8).reshape(shape) for i in (0, 1))
        rows = np.array([part[2] for part in parts], np.float32).reshape(*shape, width)
        return Samples(models.keys, models.finite, y, a, rows)

    def one(self, weights: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return y (m,), a (m,) and compact rows (m, c) of one generator with this seed. Raises PopleakError where it does not draw enough rows of
        a group for the share that is asked for."""
        share, wanted = self.settings.group_share, self.settings.rows
        if share is None:
            return self._drawn(weights, seed, 0, wanted)
        ones = half_up(share * wanted)
        lacking, kept = np.array([wanted - ones, ones]), []
        for turn in range(MOST):
            y, a, rows = self._drawn(weights, seed, turn, wanted)
            # the first of each group, as many as are still lacking
            place = np.where(a == 1, np.cumsum(a == 1), np.cumsum(a == 0)) - 1
            chosen = place < lacking[a.astype(int)]
            kept.append((y[chosen], a[chosen], rows[chosen]))
            lacking -= np.bincount(a[chosen], minlength=2)
            if not lacking.any():
                order = generator(seed, "samples", "order").permutation(wanted)
                y, a, rows = (np.concatenate(parts)[order] for parts in zip(*kept, strict=True))
                return y, a, rows
        raise PopleakError(
            f"sample: {int(lacking.max())} of {wanted} rows of group {int(lacking.argmax())} are lacking after {MOST} times as many were drawn: "
            f"the generator gives next to none of them: change the share of the sharer's defence, or leave it out"
        )

    def _drawn(
        self, weights: np.ndarray, seed: int, turn: int, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = generator(seed, "samples", "labels", turn)
        rates = self.model.label_rates(weights, columns=self.columns, settings=self.own, classes=self.classes)
        if self.settings.labels == "even":
            rates = np.full(self.classes, 1 / self.classes)
        y = rng.choice(self.classes, count, p=rates).astype(np.int8)
        a, rows = self.model.draw(
            weights, columns=self.columns, y=y, settings=self.own, seed=derive(seed, "samples", "rows", turn), classes=self.classes
        )  # fmt: skip
        return y, a.astype(np.int8), rows
