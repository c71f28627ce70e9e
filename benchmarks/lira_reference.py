"""The attack `lira` beside LiRA of two other packages, on the same confidences of real models: `python benchmarks/lira_reference.py`.

The models are MLPs on halves of rows of Adult. Each is a victim in turn, and all the others but its twin are the shadows, of ours and of
theirs alike. Asked is whether two implementations put a victim's rows into the same order: the rank correlation of their scores. The
models are trained twice: for as many epochs as in an experiment, and for so many that some rows are answered with a probability of 1 by
all models. The exit status is 1 if like settings miss the bound.

What differs, and why ranks do not agree to the last:

* The others divide squared deviations by the number of shadows n, ours by n - 1. Online, this weighs distances against variances.
* PrivacyGuard's `offline` is the density of the victim's confidence among models without the row, which is low on both sides of the mean.
  Ours is the probability of a lower confidence, which is low on one side. So both agree on rows above the mean alone, where
  they must if their means are equal.
* PrivacyGuard's `mix` pools standard deviations, ours pools variances. SACRO-ML's `fix_variance` takes the spread of all rows' confidences
  together, ours that within rows.
* Of equal confidences both others divide rounding errors by next to nothing. Ours adds a ridge to each variance, and calls them equal.
* SACRO-ML makes logits of probabilities in double precision, which are coarse from 30 on and end at 36. Beside it, ours gets these.

The other packages are PrivacyGuard, by Meta, and SACRO-ML, by AI-SDC. They need an older pandas than this package, so the script
makes an environment of its own for them in a temporary folder, with pip; that takes the network and 1.5 GB.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

import common
from audit_certificates import records
from other_packages import asked, installed
from popleak.attacks._members import Candidates, scorer
from popleak.attacks.lira import PLUGIN
from popleak.core.halves import halves, twin
from popleak.core.seeds import generator
from popleak.engine.fit import Chain, Table, Training, fit, predict_rows
from popleak.measures import trials
from popleak.questions._trials import logit

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs/results/benchmarks/lira_reference.csv"
THEIRS = Path(__file__).with_name("lira_theirs.py")
OTHERS = ("privacyguard-platform==0.0.2", "sacroml==2.0.1")
BESIDE = (
    "numpy==2.4.6", "pandas==2.3.3", "scipy==1.17.1", "scikit-learn==1.9.1", "matplotlib==3.11.2", "torch==2.13.0", "tqdm==4.70.1",
    "fpdf==1.7.2", "pypdf==7.1.1", "pyyaml==6.0.4",
)  # fmt: skip
"""What their modules of LiRA import. The packages ask for more, among it a torch of any version and of any size."""
MODELS, ROWS, SEED = 64, 1000, 1
EPOCHS = (20, 60)
TRAINING = {"batch": 64, "learning_rate": 0.003, "validation": 0.0}
WIDTHS = (32, 16)
LEAST = 0.99
"""Least rank correlation of like settings, of each victim."""
SAME = 1e-6
"""How far from their mean confidences may be that are called the same."""


class Comparison(NamedTuple):
    """Our settings and their way; rows: `all`, or `above`, those of which the victim is more confident than the mean shadow without the row;
    like: whether both ask the same of these rows."""

    ours: str
    theirs: str
    rows: str
    like: bool

    @property
    def package(self) -> str:
        return self.theirs.split()[0]


COMPARISONS = (
    Comparison("online row", "privacyguard online row", "all", True),
    Comparison("online pooled", "privacyguard online mix", "all", False),
    Comparison("offline pooled", "privacyguard offline", "above", True),
    Comparison("offline pooled", "privacyguard offline", "all", False),
    Comparison("online row", "sacroml online row", "all", True),
    Comparison("offline row", "sacroml offline row", "all", True),
    Comparison("offline pooled", "sacroml offline fixed", "all", True),
    Comparison("online pooled", "sacroml online fixed", "all", False),
)


def trained(models: int, rows: int, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidences phi (M, n) of models in each candidate's own label, and which candidates they hold (M, n)."""
    found = records("adult", "sex")
    chosen = generator(SEED, "lira", "rows").choice(len(found.y), rows, replace=False)
    table = Table.of(found.x[chosen], found.y[chosen], found.a[chosen])
    one = np.zeros(rows, dtype=np.int64)
    inside = halves(one, one, models, lambda pair: generator(SEED, "lira", "half", pair))
    build = Chain((table.x.shape[1], *WIDTHS, 1))
    own = np.stack([np.flatnonzero(holds) for holds in inside])
    weights = fit(build, table, own, np.arange(models), Training(epochs=epochs, **TRAINING)).weights
    p = predict_rows(build, weights, table, np.arange(rows)[None])
    return confidence(p, table.y), inside


def confidence(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return phi (M, n) of scores p (M, n) and labels y (n,), as the question of membership makes it."""
    return np.where(y == 1, 1.0, -1.0) * logit(p, 1 - p)


def ours(phi: np.ndarray, inside: np.ndarray, name: str) -> np.ndarray:
    """Return our scores (M, n) under the settings that the name says, such as `online row`."""
    mode, variance = name.split()
    models, n = phi.shape
    one = np.zeros(n, dtype=np.int8)
    settings = PLUGIN.Settings(mode=mode, variance=variance)
    fitted = scorer(PLUGIN, outputs=phi, inside=inside, candidates=Candidates(one, one, n), settings=settings)
    return np.concatenate([fitted(others(models, victim), np.array([victim])) for victim in range(models)])


def others(models: int, victim: int) -> np.ndarray:
    """Return the numbers of all models but a victim and its twin."""
    return np.setdiff1d(np.arange(models), [victim, twin(victim)])


def above(phi: np.ndarray, inside: np.ndarray, victim: int) -> np.ndarray:
    """Return the rows (n,) bool of which a victim is more confident than the mean shadow without the row."""
    shadows = others(len(phi), victim)
    out = ~inside[shadows]
    return np.asarray(phi[victim] > np.where(out, phi[shadows], 0.0).sum(axis=0) / out.sum(axis=0))


def compare(phi: np.ndarray, inside: np.ndarray, theirs: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one record a comparison and victim: the rank correlation of the scores, and the AUC of both."""
    given = {"privacyguard": phi, "sacroml": theirs["seen"]}
    keys = {(one.package, one.ours) for one in COMPARISONS}
    own = {(package, name): ours(given[package], inside, name) for package, name in keys}
    parts = []
    for one, victim in itertools.product(COMPARISONS, range(len(phi))):
        rows = above(phi, inside, victim) if one.rows == "above" else np.ones(phi.shape[1], dtype=bool)
        mine, other = (scores[victim, rows] for scores in (own[one.package, one.ours], theirs[one.theirs]))
        areas = trials.aucs(np.stack([mine, other]), np.stack([inside[victim, rows]] * 2))
        found = {"n": len(mine), "rank_correlation": stats.spearmanr(mine, other).statistic}
        found |= dict(zip(("auc_ours", "auc_theirs"), areas, strict=True))
        parts.append({**one._asdict(), "victim": victim, **found})
    return pd.DataFrame.from_records(parts)


def constant(phi: np.ndarray, inside: np.ndarray) -> int:
    """Return of how many rows all models without the row say the same."""
    out = ~inside
    mean = np.where(out, phi, 0.0).sum(axis=0) / out.sum(axis=0)
    return int((np.where(out, abs(phi - mean), 0.0).max(axis=0) <= SAME).sum())


def measure(models: int, rows: int) -> pd.DataFrame:
    """Train the models, ask all implementations, and return what `compare` does, with the versions."""
    parts = []
    with tempfile.TemporaryDirectory() as name:
        python, versions = installed(Path(name), BESIDE, OTHERS)
        for epochs in EPOCHS:
            phi, inside = trained(models, rows, epochs)
            found = compare(phi, inside, asked(python, THEIRS, phi=phi, inside=inside))
            parts.append(found.assign(epochs=epochs, constant=constant(phi, inside)))
            common.say(f"{epochs} epochs")
    named = {part.split("==")[0].split("-")[0]: versions[part.split("==")[0]] for part in (*OTHERS, "numpy", "scipy")}
    return pd.concat(parts).assign(models=models, **named)


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row a comparison: the least and the median rank correlation over victims, and the mean AUCs."""
    groups = frame.groupby(["epochs", "ours", "theirs", "rows", "like"], sort=False)
    return groups.agg(
        least=("rank_correlation", "min"), median=("rank_correlation", "median"), auc_ours=("auc_ours", "mean"),
        auc_theirs=("auc_theirs", "mean"), victims=("victim", "size"), constant=("constant", "max"),
    ).reset_index()  # fmt: skip


def missed(found: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons of like settings, of a summary, that miss the bound."""
    return found[found["like"] & ~(found["least"] >= LEAST)]


def work(arguments: argparse.Namespace) -> None:
    """Measure, write the table, and print what it shows."""
    if not arguments.show:
        frame = measure(arguments.models, arguments.rows)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(arguments.output, index=False, float_format="%.6g", lineterminator="\n")
    print(summary(pd.read_csv(arguments.output)).to_string(index=False, float_format=lambda value: f"{value:.5f}"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=MODELS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--show", action="store_true", help="measure nothing: print what the table there says")
    arguments = parser.parse_args()
    return common.status(work, arguments) or int(len(missed(summary(pd.read_csv(arguments.output)))) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
