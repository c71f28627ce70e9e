"""Stage `dataset`: raw files -> one table of records (row, y, a, unit, cell, subgroup, x) with the card in its metadata."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import plugins, trouble
from ..core.errors import PopleakError
from ..core.seeds import generator
from ..datasets._cards import GENERATED, CardFile
from ..datasets._fetch import verify
from ..datasets._tables import check as check_counts
from ..datasets._tables import check_draw, check_groups, measured, shares
from ..datasets.base import Card, Dataset, Records
from ..steps.dataset import DatasetStep
from ..store import arrays, seal
from ..store import parquet as store


def run(*, settings: DatasetStep, files: Sequence[Path] = (), output: Path, step: str, code: str) -> None:
    """Load the dataset and write its table. files: raw files, in the order of the settings' names. Raises PopleakError if the records break the contract."""
    plugin = plugins.load("datasets", settings.dataset)
    options = plugin.Settings.model_validate(settings.options)
    paths = dict(trouble.paired(settings.files, files, "files"))
    about = carded(plugin, settings, options, paths)
    for name, digest in settings.content.items():
        if seal.file_digest(paths[name]) != digest:
            raise PopleakError(f"{paths[name]}: changed since this run was planned: repeat the command")
    # what is to be said of a table the task's own job says, and no placebo of it again
    with contextlib.nullcontext() if settings.placebo is None else contextlib.redirect_stderr(io.StringIO()):
        records = plugin.load(
            files=paths,
            label=settings.label,
            attribute=settings.attribute,
            options=options,
            seed=settings.seed or 0,
        )
    card = plugin.card_with(about, label=settings.label, options=options)
    attribute = plugin.attribute(settings.attribute, options)[0]
    agree(plugin, about, card, attribute, records)
    names, shape = plugin.classes(options), plugin.shape(options)
    if settings.placebo is not None:
        records = permuted(records, **dataclasses.asdict(settings.placebo), classes=len(names))
    check(records, settings.dataset, len(names), shape)
    if settings.attribute_in_features:
        records = with_attribute(records, attribute, settings.dataset)
    count = len(records.y)
    columns = {
        "row": np.arange(count),
        "y": records.y.astype(np.int8),
        "a": records.a.astype(np.int8),
        "unit": np.arange(count) if records.unit is None else records.unit.astype(np.int64),
        "x": arrays.fixed(records.x.astype(np.float32)),
    }
    if records.cell is not None:
        columns["cell"] = records.cell.astype(np.int16)
    if records.subgroup is not None:
        columns["subgroup"] = records.subgroup.astype(np.int8)
    store.write(
        output,
        columns,
        store.provenance(
            stage="dataset",
            step=step,
            settings=settings.plain(),
            code=code,
            inputs=(),
            files=paths.values(),
            features=list(records.features),
            groups=list(records.groups),
            facts=dict(records.facts),
            card=dataclasses.asdict(card),
            datasheet=about.content,
            cards={about.digest: about.label()},
            rows=count,
            classes=list(names),
            shape=None if shape is None else list(shape),
            group_share=float(records.a.mean()),
            **rates(records, len(names)),
        ),
    )


def carded(plugin: Dataset, settings: DatasetStep, options: Any, paths: Mapping[str, Path]) -> CardFile:
    """Return the card of the data, after holding the raw files to it. Raises PopleakError if the card is not the planned one, if the data were
    withdrawn, if a column that names people would be read, and if a file is not the one that the card describes."""
    about = plugin.admitted(files=paths, options=options)
    if settings.card not in ("", about.digest):
        raise PopleakError(f"{about.where}: changed since this run was planned: repeat the command")
    described = about.sources()
    for source in plugin.sources(options):
        verify(paths[source.file], described.get(source.file, source))
    return about


def agree(plugin: Dataset, about: CardFile, card: Card, attribute: str, records: Records) -> None:
    """Raise PopleakError if the records contradict the card: other counts, shares or label rates, or a feature made of a column that names
    people."""
    about.refuse_features(records.features, plugin.unread)
    counted: Any = {"card": card, "attribute": attribute, "y": records.y, "group": records.a}
    if GENERATED in about.content:
        check_draw(**counted, what=f"dataset {plugin.name}")
    elif plugin.own:
        check_counts(
            **counted, file=f"{card.title} and its card ({about.where})", remedy="correct the one that is wrong"
        )
    else:  # of all rows, those in neither group included, the loader has compared the counts
        check_groups(about=card.attributes[attribute], file=plugin.name, y=records.y, group=records.a)


def rates(records: Records, classes: int) -> dict[str, Any]:
    """Return the label rate, overall and by group; for more than two classes, the rate of each class."""
    each = [records.y[records.a == group] for group in (0, 1)]
    if classes == 2:
        return {"label_rate": float(records.y.mean()), "group_label_rates": [float(y.mean()) for y in each]}
    return {"class_rates": shares(records.y, classes), "group_class_rates": [shares(y, classes) for y in each]}


def permuted(records: Records, *, seed: int, key: str, number: int, classes: int = 2) -> Records:
    """Return the records with their group column permuted, so that it is independent of x and y. All other columns
    stay as they are.

    Units are permuted, since each is one draw from the population: the groups of a unit's rows move, in a random
    order, to another unit of as many rows. If each row is its own unit, this is a permutation of the column. Both
    groups keep their number of rows. seed, key, number: the experiment's seed, the records' key and which permutation
    it is.
    """
    rng = generator(seed, key, "placebo", number)
    count = len(records.a)
    unit = np.arange(count) if records.unit is None else np.unique(records.unit, return_inverse=True)[1].reshape(-1)
    rows = np.argsort(unit, kind="stable")
    shuffled = rows[np.lexsort((rng.random(count), unit[rows]))]  # within units
    size = np.bincount(unit)
    first = np.cumsum(size) - size
    a = records.a.copy()
    for rows_each in np.unique(size):
        alike = first[size == rows_each]
        places = alike[:, None] + np.arange(rows_each)
        a[rows[places]] = records.a[shuffled[places[rng.permutation(len(alike))]]]
    facts = measured(y=records.y, a=a, classes=classes)
    return dataclasses.replace(
        records, a=a, facts={**records.facts, **{key: facts[key] for key in facts if key.endswith("_rates")}}
    )


def with_attribute(records: Records, attribute: str, name: str) -> Records:
    """Return the records of dataset `name` with their group as an additional feature, 0 or 1. Raises PopleakError if
    a feature has that name already."""
    if attribute in records.features:
        raise PopleakError(
            f"dataset {name}: {attribute!r} is a feature already: remove attribute_in_features, or drop that feature"
        )
    features = (*records.features, attribute)
    return dataclasses.replace(
        records,
        x=np.concatenate([records.x, records.a[:, None]], axis=1, dtype=np.float32),
        features=features,
        facts={**records.facts, "attribute_in_features": f"{attribute}, the last of {len(features)} features"},
    )


def check(records: Records, name: str, classes: int = 2, shape: Sequence[int] | None = None) -> None:
    """Raise PopleakError unless `records` keep the dataset contract: shapes, finite features, labels 0..C-1, all (y, a) cells filled."""
    count = len(records.y)
    if shape is not None and math.prod(shape) != len(records.features):
        raise PopleakError(
            f"dataset {name}: a record of shape {' x '.join(map(str, shape))} has {math.prod(shape)} numbers, not {len(records.features)}"
        )
    if records.x.shape != (count, len(records.features)) or len(records.a) != count:
        raise PopleakError(
            f"dataset {name}: x {records.x.shape}, {count} labels, {len(records.a)} groups, {len(records.features)} features disagree"
        )
    if not np.isfinite(records.x).all():
        bad = records.features[int(np.flatnonzero(~np.isfinite(records.x).all(0))[0])]
        raise PopleakError(
            f"dataset {name}: feature {bad!r} has a value that is not finite: the loader must replace it"
        )
    if not ((records.y >= 0) & (records.y < classes)).all():
        raise PopleakError(f"dataset {name}: labels must lie in 0 to {classes - 1}, its {classes} classes")
    for label in range(classes):
        for group in (0, 1):
            if not ((records.y == label) & (records.a == group)).any():
                raise PopleakError(
                    f"dataset {name}: no row with label {label} in group {records.groups[group]!r}: choose another attribute or label"
                )
