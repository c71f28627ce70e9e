"""Seeds are derived, never chosen: a hash of the experiment's seed and the name of the thing that is random.

A model's rows, initial weights and batch order therefore do not depend on which job it travels in, on the size
of that job, or on what ran before it. Defence names never enter a seed, so a defended model and its control
share draw, initial weights and batch order, and their difference is paired.
"""

from __future__ import annotations

import hashlib

import numpy as np

VERSION = "v1"
SEPARATOR = "\x1f"


def derive(*key: str | int) -> int:
    """Return a 63-bit seed for `key`; equal keys give equal seeds on every machine and Python version.

    `key` is the experiment's seed followed by names (task, split, role, world, index, purpose). Floats are refused
    because their text form is not unique.
    """
    for part in key:
        if not isinstance(part, (str, int)) or isinstance(part, bool):
            raise TypeError(f"a seed key holds str and int only, not {part!r}")
        if isinstance(part, str) and SEPARATOR in part:
            raise ValueError(f"a seed key must not hold the separator {SEPARATOR!r}: {part!r}")
    text = SEPARATOR.join([VERSION, *(f"{type(part).__name__}:{part}" for part in key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*key: str | int) -> np.random.Generator:
    """Return numpy's PCG64 generator seeded with `derive(*key)`."""
    return np.random.Generator(np.random.PCG64(derive(*key)))
