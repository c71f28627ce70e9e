"""Small records, small stages and the checkout's root: what the tests of the ground and of the stages share."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from popleak.config import resolve as config
from popleak.core import plugins
from popleak.datasets import synthetic
from popleak.plan import build as plan
from popleak.stages import dataset, split
from popleak.store.records import Loaded

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def records(rows: int = 1200, seed: int = 5, **options) -> Loaded:
    """Return synthetic records as a dataset table holds them, each row a unit of its own."""
    drawn = synthetic.draw(options=synthetic.Options(rows=rows, **options), seed=seed)
    facts = {"groups": ["group 0", "group 1"]}
    return Loaded(drawn.x, drawn.y, drawn.a, np.arange(rows), drawn.cell, facts)


def raw(**changes) -> dict:
    """Return a small config; `changes` replace keys of the top level."""
    base = {
        "experiment": "small",
        "seed": 3,
        "tasks": [{"dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 800}}],
        "worlds": [{"protocol": "pure"}],
        "models": [{"name": "mlp", "settings": {"widths": [8]}}],
        "defences": ["none", "finetune", {"name": "fft", "settings": {"eo_weight": 1.0}}],
        "attacks": ["loss", "kl"],
        "population": {"splits": 2, "victims": 4, "shadows": 3},
        "training": {"epochs": 2, "batch": 32},
        "figures": ["leakage", "gap"],
    }
    return {**base, **changes}


def build(**changes) -> plan.Plan:
    return plan.build(config.load(raw(**changes)))


def run_stage(step: plan.Step, folder: Path) -> Path:
    """Run one step of the stages dataset, split and draw below `folder`; return its file."""
    from popleak.stages import draw

    paths = {name: [folder / path for path in paths] for name, paths in step.inputs.items()}
    output = folder / step.outputs["table"]
    common = {"settings": step.settings, "output": output, "step": step.id, "code": "test"}
    if step.stage == "dataset":
        dataset.run(**common, files=paths.get("files", ()))
    elif step.stage == "split":
        split.run(**common, data=paths["data"][0])
    else:
        draw.run(**common, data=paths["data"][0], pools=paths["pools"][0])
    return output


def command(
    *words: str, cwd: Path = ROOT, path: Path = ROOT / "workflow", python: str = sys.executable
) -> subprocess.CompletedProcess:
    """Run `python -m` with these words, the package taken from the folder `path`."""
    environment = os.environ | {"PYTHONPATH": str(path), "PYTHONWARNINGS": "default"}
    environment.pop("POPLEAK_DATA", None)
    return subprocess.run([python, "-m", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def module(widths: tuple[int, ...] = (8, 4), features: int = 13):
    """Return a function that builds an MLP, or logistic regression for no widths; torch on one thread."""
    import torch

    torch.set_num_threads(1)
    if not widths:
        plugin = plugins.load("models", "logistic")
        return lambda: plugin.build(features, plugin.Settings())
    plugin = plugins.load("models", "mlp")
    return lambda: plugin.build(features, plugin.Settings(widths=widths))
