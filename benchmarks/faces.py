"""What is known of UTKFace before an experiment: which pictures are one, and what models learn from them at which cost.

`python benchmarks/faces.py` measures both on the table in the data folder and writes them into docs/images.md. It prints and writes
counts and rates only.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import common
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive, generator
from popleak.datasets import _faces
from popleak.datasets._fetch import locate
from popleak.engine.fit import Table, Training, fit, predict
from popleak.plan import build as plan

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/images.md"
MARK = ("<!-- {0}: written by benchmarks/faces.py -->", "<!-- /{0} -->")
SEED = 20260601
EDGES = (0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0)
FEATURES = {
    "pixels, 24 x 24": ({}, "cnn", {"channels": (8, 16)}),
    "pixels, 48 x 48": ({"side": 48}, "cnn", {"channels": (8, 16)}),
    "pca, 64 of 24 x 24": ({"features": "pca"}, "mlp", {}),
    "pca, 64 of 24 x 24, logistic": ({"features": "pca"}, "logistic", {}),
    "hog, 24 x 24": ({"features": "hog"}, "mlp", {}),
    "hog, 48 x 48": ({"features": "hog", "side": 48}, "mlp", {}),
}
"""What each model is given: options of the dataset, model, its settings."""
TASKS = (("gender", "race"), ("age-over-30", "gender"))
TRAINING = Training(epochs=20, batch=64, learning_rate=0.003, validation=0.1)
ROWS, TEST = 2000, 4000


def files(options: Any) -> tuple[dict[str, Path], Any]:
    """Return the raw files by name, and the options as they are settled. Raises PopleakError where the files are not here."""
    plugin, folder = plugins.load("datasets", "utkface"), os.environ.get("POPLEAK_DATA", plan.ROOT + "/data")
    settled, _ = plugin.settle(options, lambda source: locate("utkface", source, folder) is not None)
    found = {source: locate("utkface", source, folder) for source in plugin.sources(settled)}
    for source, path in found.items():
        if path is None:
            raise PopleakError(f"no file {source.file}: {plugin.remedy(source)}")
    return {source.file: path for source, path in found.items() if path is not None}, settled


def near() -> Iterator[str]:
    """Yield a table of how alike the labels of two pictures are, by their correlation; byte-identical files are not counted."""
    plugin = plugins.load("datasets", "utkface")
    faces = _faces.read(list(files(plugin.Settings())[0].values()), "prepare it again")
    i, j, correlation = _faces.similar(faces.pixels, EDGES[0])
    other = (faces.copies[i] != faces.copies[j]) | (faces.copies[i] < 0)
    rng = generator(SEED, "pairs")
    chance = rng.integers(len(faces.age), size=(2, 100_000))
    yield "| correlation | pairs | same gender | same race | ages at most 5 apart |"
    yield "| --- | --- | --- | --- | --- |"

    def line(name: str, one: np.ndarray, two: np.ndarray, count: str) -> str:
        same = (
            faces.gender[one] == faces.gender[two],
            faces.race[one] == faces.race[two],
            abs(faces.age[one] - faces.age[two]) <= 5,
        )
        return f"| {name} | {count} | " + " | ".join(f"{100 * agree.mean():.0f} %" for agree in same) + " |"

    yield line("any two pictures", *chance, "")
    for low, high in itertools.pairwise(EDGES):
        chosen = other & (correlation >= low) & (correlation < (high if high < 1 else 2))
        yield line(f"{low:.2f} to {high:.2f}", i[chosen], j[chosen], f"{chosen.sum():,}")


def learned(models: int) -> Iterator[str]:
    """Yield a table of accuracy on pictures that no model saw, and CPU seconds a model."""
    plugin = plugins.load("datasets", "utkface")
    yield "| task | given | model | accuracy | from worst to best | CPU s a model |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for label, attribute in TASKS:
        for name, (options, model, settings) in FEATURES.items():
            if options.get("features") == "hog" and _faces.no_gradients():
                common.say(f"faces: {_faces.no_gradients()}: left out")
                continue
            paths, chosen = files(plugin.Settings(**options))
            records = plugin.load(files=paths, label=label, attribute=attribute, options=chosen, seed=0)
            accuracy, seconds = trained(records, model, settings, models)
            span = f"{100 * accuracy.min():.1f} to {100 * accuracy.max():.1f} %"
            told = f"| {label} | {name} | {model} | {100 * accuracy.mean():.1f} % | {span} | {seconds:.2f} |"
            common.say(told)
            yield told


def trained(records: Any, model: str, settings: dict[str, Any], models: int) -> tuple[np.ndarray, float]:
    """Return the accuracy of each of some models (K,), and the CPU seconds to train one; compiling is not counted."""
    plugin = plugins.load("models", model)
    built = plugin.architecture(records.x.shape[1], plugin.Settings(**settings))
    rng = generator(SEED, "test")
    order = rng.permutation(records.unit.max() + 1)[records.unit].argsort(kind="stable")  # whole units
    test, rest = order[:TEST], order[TEST:]
    rest = rest[~np.isin(records.unit[rest], records.unit[test])]
    seeds = np.array([derive(SEED, "faces", k) for k in range(models)])
    rows = np.stack([generator(int(seed), "rows").choice(rest, ROWS, replace=False) for seed in seeds]).astype(np.int32)
    table = Table.of(records.x, records.y, records.a)
    fit(built, table, rows[:1], seeds[:1], TRAINING.model_copy(update={"epochs": 1}))
    begin = time.process_time()
    found = fit(built, table, rows, seeds, TRAINING)
    seconds = (time.process_time() - begin) / models
    right = (predict(built, found.weights, records.x[test]) > 0.5) == (records.y[test] == 1)
    return right.mean(axis=1), seconds


def fill(name: str, lines: list[str]) -> None:
    """Put a table between its marks on the page."""
    begin, end = (mark.format(name) for mark in MARK)
    head, rest = PAGE.read_text(encoding="utf-8").split(begin)
    PAGE.write_text(f"{head}{begin}\n\n" + "\n".join(lines) + f"\n\n{end}{rest.split(end)[1]}", encoding="utf-8")


def work(models: int) -> None:
    fill("near", list(near()))
    fill("learned", list(learned(models)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=int, default=4, help="models a row of the table")
    return common.status(work, parser.parse_args().models)


if __name__ == "__main__":
    raise SystemExit(main())
