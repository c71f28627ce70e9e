"""What jobs are told, from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from popleak.config import papers
from popleak.core import plugins, typed
from popleak.engine.fit import Training
from popleak.steps.defend import DefendStep
from popleak.steps.tables.base import TableStep, of_table


def table(name: str, settings: Mapping[str, Any] | None = None) -> TableStep:
    """Return what the job of a table is told, of settings that may be those of several tables; what none of the callers varies is as a
    config leaves it."""
    usual = {
        "paper": typed.plain(papers.load("fair-finetuning")),
        "margin": 0.05,
        "literal_share": 0.05,
    }
    known = {"table": name, **usual, **(settings or {})}
    kind = of_table(name)
    return kind.of({field.name: known[field.name] for field in fields(kind) if field.name in known})


def defend(model: str, settings: Mapping[str, Any], training: Mapping[str, Any]) -> DefendStep:
    """Return what a job that defends one direction of a model is told; training: of a closed form the share held out alone."""
    gradient = plugins.load("models", model).gradient
    return DefendStep(
        model=model, model_settings=settings, training=Training(**training) if gradient else None,
        held_out=0.0 if gradient else training["validation"], roles=("victim",), part=(0, 1), defence="none", defence_settings={},
        mode="natural", directions=(("0.0#0", "1.0#0"),),
    )  # fmt: skip
