"""A job loads what it uses: each library counts for a good part of a second in hundreds of jobs of a second or two."""

from __future__ import annotations

import subprocess
import sys

import pytest

from popleak.core import plugins

pytestmark = pytest.mark.slow

HEAVY = ("torch", "numba", "sklearn", "scipy", "scipy.stats", "statsmodels", "matplotlib", "pandas")
META = """
import numpy as np
from popleak.attacks.base import Game, Query
from popleak.attacks.meta import PLUGIN
shadows = np.random.default_rng(0).random((2, 9, 8))
ends = np.arange(8) % 2
judge = PLUGIN.calibrate(shadows_0=shadows[0], shadows_1=shadows[1], query=Query(ends, ends, ends),
                         game=Game(0.0, 1.0, 9, "natural", "mlp"), settings=PLUGIN.Settings())
judge.score(shadows[0, 0])
"""


def loaded(code: str) -> set[str]:
    """Return which heavy libraries a fresh interpreter has loaded after `code`."""
    code = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("stage", ["split", "draw", "query", "measure", "attack"])
def test_stage_loads_nothing_heavy(stage):
    attacks = plugins.modules("attacks").values() if stage == "attack" else ()
    assert not loaded(f"import {', '.join([f'popleak.stages.{stage}', *attacks])}")


def test_calibrating_loads_nothing_heavy():
    assert not loaded(META)


@pytest.mark.parametrize(
    ("table", "used"),
    [
        ("models", set()),
        ("bounds", set()),
        ("scores", set()),
        ("leakage", {"pandas", "scipy"}),
        ("claims", {"pandas", "scipy"}),
        ("estimates", set()),
        ("regression", {"pandas", "scipy"}),
        ("confusion", {"pandas", "scipy"}),
        ("proxies", {"pandas", "scipy"}),
        ("placebo", {"pandas", "scipy"}),
        ("sensitivity", {"pandas", "scipy"}),
        ("defences", {"pandas", "scipy"}),
    ],
)
def test_tables_load_what_they_use(table, used):
    assert loaded(f"import popleak.tables.{table}") <= used
