"""Hold the certificates of noisy fine-tuning against worst-case audits, and make the tables of docs/certificates.md.

For each table (Adult by sex, COMPAS by race) one fine-tuning set F of 300 + 300 rows is drawn. For each setting of steps
and noise the certificate is computed, and `--chains` chains are run from the two ends that are hardest to forget; the
adversary knows F and both ends, and takes the likelihood ratio. Then each condition of the theorem is broken on purpose,
one at a time, and the number of chains is counted after which the audit shows more than the certificate.

    python benchmarks/audit_certificates.py            # both tables; some 3 minutes on one core
    python benchmarks/audit_certificates.py --frontier # accuracy against certificate on four tables; as long
    python benchmarks/audit_certificates.py --speed    # CPU time of a chain
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common import say, status
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive, generator
from popleak.defences import _audit
from popleak.engine import convex
from popleak.engine.convex import Descent, Problem
from popleak.measures import certificates, intervals
from popleak.store.records import Loaded
from popleak.testing.defences import Owners

TASKS = (("adult", "sex"), ("compas", "race"))
RADIUS, RIDGE, EACH = 3.0, 0.02, 300
SETTINGS = {
    "adult": ((20, 0.3), (20, 1.0), (50, 0.1), (50, 0.3), (100, 0.03), (100, 0.1), (200, 0.003), (200, 0.01)),
    "compas": ((5, 0.3), (5, 1.0), (10, 0.1), (10, 0.3), (20, 0.1), (20, 0.3), (50, 0.003), (50, 0.01)),
}
"""(steps, noise): from certificates near 1 to certificates near 0."""
KINDS = (
    ("logistic", Problem, 0.0),
    ("logistic, fair", Problem, 0.1),
    ("its quadratic", _audit.Quadratic, 0.0),
)
"""The losses, and the weight of the fair term."""
LOUD, QUIET = Descent(RIDGE, RADIUS, 20, 1.0), Descent(RIDGE, RADIUS, 200, 0.01)
"""What is broken: where the noise hides the starts, and where the chain has forgotten them."""


def records(name: str, attribute: str) -> Any:
    """Return a dataset's records. Raises PopleakError if a raw file is missing."""
    plugin = plugins.load("datasets", name)
    options = plugin.Settings(**({"format": "parquet"} if name == "acs-income" else {}))
    folder = Path(os.environ.get("POPLEAK_DATA", "data")) / name.replace("-", "_")
    files = {source.file: folder / source.file for source in plugin.sources(options)}
    for path in files.values():
        if not path.is_file():
            raise PopleakError(f"{path}: no such file: fetch it with `popleak data fetch {name}`, or set POPLEAK_DATA")
    label = plugin.labels[0]
    return plugin.load(files=files, label=label, attribute=attribute, options=options, seed=0)


def drawn(found: Any, seed: int) -> np.ndarray:
    """Return F: as many row ids of either group."""
    rng = generator(seed, "audit", "rows")
    return np.sort(np.concatenate([rng.choice(np.flatnonzero(found.a == g), EACH, replace=False) for g in (0, 1)]))


def problem_of(found: Any, rows: np.ndarray, *, loss: type[Problem] = Problem, fair: float = 0.0) -> Problem:
    x = convex.below_last(found.x[rows], None, (found.x.shape[1], 1))
    return loss(x, found.y[rows], found.a[rows], ridge=RIDGE, fair=fair)


class Cell(NamedTuple):
    """One certificate and what was measured: steps and noise, the loss, the certified advantage, and the audit."""

    how: Descent
    loss: str
    bound: float
    seen: _audit.Audited

    @property
    def p(self) -> float:
        """The p value of an excess."""
        return certificates.excess(self.seen.right, self.seen.judged, (1 + self.bound) / 2)


def settings(name: str, found: Any, seed: int, number: int) -> Iterator[Cell]:
    """Yield the cells of a table, each with noise of its own."""
    rows = drawn(found, seed)
    for steps, noise in SETTINGS[name]:
        for named, loss, fair in KINDS:
            problem, how = problem_of(found, rows, loss=loss, fair=fair), Descent(RIDGE, RADIUS, steps, noise, fair)
            stream = derive(seed, name, named, steps, f"{noise}")
            seen = _audit.audited(_audit.chains(problem, how, number=number, seed=stream))
            yield Cell(how, named, _audit.certified(problem, how), seen)


def shown(cells: Sequence[Cell]) -> str:
    """Return a table's cells, a row for each number of steps and noise."""
    lines = []
    for i in range(0, len(cells), len(KINDS)):
        row = [f"{cells[i].how.steps}", f"{cells[i].how.noise:g}"]
        for cell in cells[i : i + len(KINDS)]:
            row += [f"{cell.bound:.3f}", f"{cell.seen.advantage:.3f} ({cell.seen.low:.3f} to {cell.seen.high:.3f})"]
        lines.append(row)
    return table(["T", "s", *(word for named, _, _ in KINDS for word in (f"{named}: certified", "measured"))], lines)


def sabotages(found: Any, seed: int) -> Iterator[tuple[str, Problem, Descent, convex.Run]]:
    """Yield what is broken, the problem as it is trained on, the settings, and the training that breaks the theorem."""
    rows, loss = drawn(found, seed), _audit.Quadratic
    problem = problem_of(found, rows, loss=loss)
    plain = convex.honest(problem)
    yield "nothing", problem, LOUD, plain
    yield "noise off", problem, LOUD, lambda b, w, how, rng: plain(b, w, replace(how, noise=0.0), rng)
    yield "projection off", problem, LOUD, lambda b, w, how, rng: plain(b, w, replace(how, radius=1e9), rng)
    long = problem_of(found, rows, loss=loss)
    long.step *= 1.2
    yield "step a fifth too long", long, LOUD, convex.honest(long)
    # S_0 of each world: rows of one group; what is fitted on them knows the world
    worlds = [np.flatnonzero(found.a == b) for b in (0, 1)]
    scaled = []
    for own in worlds:
        centre, spread = found.x[own].mean(0), found.x[own].std(0) + 1e-3
        x = np.concatenate([(found.x[rows] - centre) / spread, np.ones((len(rows), 1))], 1)
        scaled.append(loss(x, found.y[rows], found.a[rows], ridge=RIDGE))
    yield "scaler fitted on S_0", problem, QUIET, lambda b, w, how, rng: convex.descend(scaled[b], w, how, rng)[0]
    rates = [float(found.y[own].mean()) for own in worlds]
    weighed = [problem_of(found, rows, loss=loss, fair=rate) for rate in rates]
    yield "lambda fitted on S_0", problem, QUIET, lambda b, w, how, rng: convex.descend(weighed[b], w, how, rng)[0]


def sets(found: Any, seed: int) -> Iterator[tuple[str, Callable[[int, int], tuple[int, ...]]]]:
    """Yield what is broken about the rows, and what their composition shows: worlds of ratios 0.3 and 0.5, S_0 of 600 rows."""
    groups = [np.flatnonzero(found.a == g) for g in (0, 1)]

    def one(world: int, i: int, *, off: int = 0, overlap: bool = False) -> tuple[int, ...]:
        rng = generator(seed, "audit", "sets", i)
        ones = [int(600 * ratio) for ratio in ((0.3, 0.5) if world == 0 else (0.5, 0.3))]
        own = [rng.choice(groups[g], size, replace=False) for g, size in enumerate((600 - ones[0], ones[0]))]
        left = own if overlap else [np.setdiff1d(groups[g], own[g]) for g in (0, 1)]
        half = [(600 - ones[1]) // 2, ones[1] // 2]
        other = [rng.choice(left[g], size + off * world * (1 - 2 * g), replace=False) for g, size in enumerate(half)]
        rehearsed = [mine[: len(mine) // 2] for mine in own]
        return _audit.count(np.concatenate([*rehearsed, *other]), found.a)

    yield "nothing about the rows", one
    yield "counts off by one", functools.partial(one, off=1)
    yield "complement drawn from S_0", functools.partial(one, overlap=True)


def sabotaged(found: Any, seed: int) -> Iterator[list[str]]:
    """Yield the rows of the table of what was broken, and after how many chains, or sets of rows, it showed."""
    sound = problem_of(found, drawn(found, seed), loss=_audit.Quadratic)
    for broken, problem, how, run in sabotages(found, seed):
        right = _audit.chains(problem, how, number=512, seed=seed, run=run)
        yield [broken, *_caught(right, _audit.certified(sound, how), "chains")]
    for broken, facts in sets(found, seed):
        yield [broken, *_caught(_audit.composition(facts, number=512), 0.0, "sets of rows")]


def _caught(right: np.ndarray, bound: float, what: str) -> list[str]:
    after = _audit.caught_after(right, bound)
    return [
        f"{bound:.3f}",
        f"{_audit.audited(right).advantage:.3f}",
        f"after {after} {what}" if after else f"not in {len(right)} {what}",
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def work(arguments: argparse.Namespace) -> None:
    if arguments.frontier:
        tasks = (*TASKS, ("lsac", "race"), ("acs-income", "sex"))
        rows = [row for task in tasks for row in frontier(*task)]
        say(table(("table", "base : F", "defence", "accuracy", "certified", "worst F"), rows))
        return
    tables = {name: records(name, attribute) for name, attribute in TASKS}
    if arguments.speed:
        for name, found in tables.items():
            speed(name, found)
        return
    every: list[Cell] = []
    for name, found in tables.items():
        cells = list(settings(name, found, arguments.seed, arguments.chains))
        every += cells
        say(f"\n{name}, {EACH} + {EACH} rows, {arguments.chains} chains each\n\n{shown(cells)}")
    p = np.array([cell.p for cell in every])
    near = sum(cell.seen.low <= cell.bound <= cell.seen.high for cell in every if cell.loss == KINDS[-1][0])
    say(
        f"\nabove a certificate: {int((intervals.holm(p) < 0.05).sum())} of {len(p)}, Holm-corrected; least p {p.min():.3f}, of which chance "
        f"alone gives {len(p) * p.min():.1f}; quadratics whose interval holds the certificate: {near} of {len(p) // len(KINDS)}"
    )
    for name, found in tables.items():
        say(f"\n{name}, broken on purpose\n")
        say(table(("broken", "certified", "measured", "caught"), list(sabotaged(found, arguments.seed))))


FRONTIER = (
    ("scratch", {}),
    ("noisy-rehearsal", {"steps": 200, "noise": 0.03}),
    ("noisy-rehearsal", {"steps": 1000, "noise": 0.03}),
    ("noisy-fft", {"steps": 1000, "noise": 0.03}),
)
"""What is compared where base rows outnumber those of the defence."""
ROWS = {"adult": 600, "compas": 330, "lsac": 520, "acs-income": 600}


def frontier(name: str, attribute: str) -> Iterator[list[str]]:
    """Yield the rows of the table of accuracy against certificate: logistic regression, pure worlds, both directions, 16 models each."""
    found = records(name, attribute)
    kept = Loaded(found.x, found.y, found.a, np.arange(len(found.y)), None, {"groups": ["0", "1"]})
    training = {"epochs": 200, "batch": 64, "learning_rate": 0.01, "weight_decay": 0.02, "validation": 0.1}
    owners = [
        Owners(kept, *worlds, model="logistic", training=training, rows=ROWS[name], models=16)
        for worlds in ((0.0, 1.0), (1.0, 0.0))
    ]
    pick = generator(1, "frontier").permutation(len(found.y))[:8000]

    def right(weights: np.ndarray) -> np.ndarray:
        logits = found.x[pick] @ weights[:, :-1].T.astype(float) + weights[:, -1]
        return ((logits > 0) == (found.y[pick] == 1)[:, None]).mean(0)

    base = np.concatenate([right(one.population.weights) for one in owners])
    yield [name, "", "none", f"{base.mean():.3f}", "", ""]
    for share, (defence, asked) in itertools.product((1.0, 0.25, 0.05), FRONTIER):
        plugin = plugins.load("defences", defence)
        own = plugin.Settings(rows=share, **asked)
        accuracy, bound = [], []
        for one in owners:
            owner = one.owner(plugin, settings=own)
            accuracy.append(right(plugin.apply(owner, own).weights))
            bound.append(plugin.certify(owner, own))
        accuracy, bound = np.concatenate(accuracy), np.concatenate(bound)
        error = accuracy.std(ddof=1) / len(accuracy) ** 0.5
        told = f"{defence}, T = {asked['steps']}" if asked else defence
        yield [
            name,
            f"{1 / share:g}",
            told,
            f"{accuracy.mean():.3f} +- {error:.3f}",
            f"{bound.mean():.4f}",
            f"{bound.max():.4f}",
        ]


def speed(name: str, found: Any) -> None:
    """Say how long a chain of 200 steps takes, for sets of three sizes."""
    for each in (30, 300, 1000):
        rng = generator(1, "speed", each)
        rows = np.concatenate([rng.choice(np.flatnonzero(found.a == g), each, replace=False) for g in (0, 1)])
        problem, how = problem_of(found, rows), Descent(RIDGE, RADIUS, 200, 0.01)
        begin = time.process_time()
        for _ in range(5):
            convex.descend(problem, np.ones(problem.x.shape[1]), how, rng)
        spent = (time.process_time() - begin) / 5
        n, p = problem.x.shape
        say(
            f"{name}: {n} rows of {p} numbers: {1e3 * spent:.2f} ms, {1e6 * spent / 200:.1f} us a step, {1e9 * spent / 200 / n / p:.2f} ns a number"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", action="store_true", help="CPU time of a chain")
    parser.add_argument("--frontier", action="store_true", help="accuracy against certificate on four tables")
    return status(work, parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
