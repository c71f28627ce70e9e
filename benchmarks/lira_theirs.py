"""LiRA by PrivacyGuard and SACRO-ML: `python lira_theirs.py phi.npz scores.npz`, in the environment that `lira_reference.py` makes.

It imports nothing of this package. Neither of the two trains shadows here: both get the confidences that the file holds.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np


@functools.cache
def preparation() -> ModuleType:
    """Return PrivacyGuard's module that makes the attack's tables. It is loaded alone: its package would load torchvision, for pictures."""
    (root,) = importlib.util.find_spec("privacy_guard").submodule_search_locations
    spec = importlib.util.spec_from_file_location("preparation", Path(root) / "shadow_model_training/training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def probabilities(phi: np.ndarray) -> np.ndarray:
    """Return what a model gives to a row's own label."""
    return np.asarray(1 / (1 + np.exp(-phi)))


def logits(phi: np.ndarray) -> np.ndarray:
    """Return the confidences (M, n) as SACRO-ML sees them: its own logits of the probabilities, which end at 36."""
    from sacroml.attacks import utils

    return np.vectorize(utils.logit)(probabilities(phi))


def privacyguard(problem: Any, **settings: Any) -> np.ndarray:
    """Return PrivacyGuard's scores (n,), the rows put back in their order: its tables hold members first."""
    from privacy_guard.analysis.mia.aggregate_analysis_input import AggregationType
    from privacy_guard.attacks.lira_attack import LiraAttack

    shadows = [(None, holds) for holds in problem.inside]
    tables = preparation().prepare_lira_data(
        problem.victim[:, None], problem.phi[..., None], (None, problem.truth), shadows
    )
    members, others = tables[:2] if settings.get("online_attack") else tables[2:]
    found = LiraAttack(members, others, AggregationType.NONE, **settings).run_attack()
    scores = np.empty(len(problem.truth))
    scores[problem.truth], scores[~problem.truth] = found.df_train_merge["score"], found.df_test_merge["score"]
    return scores


def sacroml(problem: Any, **settings: Any) -> np.ndarray:
    """Return SACRO-ML's scores (n,). It takes probabilities of the victim and of shadows, and makes logits of them itself."""
    from sacroml.attacks.likelihood_attack import LIRAAttack

    with tempfile.TemporaryDirectory() as folder:
        attack = LIRAAttack(output_dir=folder, write_report=False, **settings)
    sides = [
        {row: list(problem.logits[holds, row]) for row, holds in enumerate(side.T)}
        for side in (~problem.inside, problem.inside)
    ]
    p = probabilities(problem.victim)
    found, _ = attack._compute_scores(np.zeros(len(p), dtype=int), np.stack([p, 1 - p], axis=1), *sides)
    return np.array(found)[:, 1]


WAYS: dict[str, Callable[[Any], np.ndarray]] = {
    "privacyguard online row": functools.partial(privacyguard, online_attack=True),
    "privacyguard online mix": functools.partial(
        privacyguard, online_attack=True, use_fixed_variance=True, std_dev_type="mix"
    ),
    "privacyguard offline": functools.partial(privacyguard, std_dev_type="shadows_out"),
    "sacroml online row": functools.partial(sacroml, mode="online-carlini"),
    "sacroml online fixed": functools.partial(sacroml, mode="online-carlini", fix_variance=True),
    "sacroml offline row": functools.partial(sacroml, mode="offline"),
    "sacroml offline fixed": functools.partial(sacroml, mode="offline", fix_variance=True),
}


def scores(phi: np.ndarray, inside: np.ndarray) -> dict[str, np.ndarray]:
    """Return by way the scores (M, n) of each model by all but itself and its twin, and as `seen` the logits (M, n) of SACRO-ML. phi,
    inside (M, n)."""
    found, seen = {name: np.empty(phi.shape) for name in WAYS}, logits(phi)
    for victim in range(len(phi)):
        others = np.flatnonzero(np.arange(len(phi)) // 2 != victim // 2)
        problem = SimpleNamespace(
            victim=phi[victim], truth=inside[victim], phi=phi[others], logits=seen[others], inside=inside[others]
        )
        for name, way in WAYS.items():
            found[name][victim] = way(problem)
    return {**found, "seen": seen}


if __name__ == "__main__":
    logging.disable(logging.INFO)
    with np.load(sys.argv[1]) as given:
        np.savez(sys.argv[2], **scores(given["phi"], given["inside"]))
