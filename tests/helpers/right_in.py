"""Verdicts of an attack that is right with a given probability."""

from __future__ import annotations

import numpy as np
import pandas as pd

SPLITS, EACH = 6, 10
GAME = {"task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0}


def judged(adversary: str, right: float, *, seed: int, access: str = "scores", defence: str = "none") -> pd.DataFrame:
    """Verdicts of an attack that names a victim's world with this probability."""
    rng = np.random.default_rng(seed)
    split, world, index = (part.ravel() for part in np.meshgrid(range(SPLITS), (0, 1), range(EACH), indexing="ij"))
    guess = np.where(rng.random(len(split)) < right, world, 1 - world)
    return pd.DataFrame({
        **GAME, "defence": defence, "adversary": adversary, "access": access, "knowledge": "informed", "shadow_model": "mlp", "repeats": 1,
        "split": split, "world": world, "model_index": index, "score": guess - 0.5 + rng.normal(0, 0.01, len(split)), "guess": guess,
    })  # fmt: skip
