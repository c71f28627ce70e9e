"""What the plan writes is what the stage reads: for every step of every experiment that is shipped."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest

import tiny
from popleak.config import resolve as config
from popleak.core.errors import PopleakError
from popleak.core.provenance import imports
from popleak.core.settings import canonical
from popleak.plan import build as plan
from popleak.plan.known import Known
from popleak.steps import STAGES
from popleak.steps.base import StepSettings
from popleak.steps.tables.base import of_table
from popleak.store.schema import TABLES

FILES = [None, *sorted((tiny.ROOT / "workflow" / "experiments").glob("*.yaml"))]


@functools.cache
def steps(path: Path | None) -> list[plan.Step]:
    raw = config.read(tiny.ROOT / "config.yaml")
    return plan.build(config.load(config.merge(raw, config.read(path)) if path else raw)).all_steps()


def asked(stage: str) -> type[StepSettings]:
    """Return what the command of a stage reads."""
    return get_type_hints(import_module(f"popleak.stages.{stage}").run)["settings"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem if path else "default")
def test_every_step_reads_back_what_the_plan_wrote(path):
    for step in steps(path):
        read = asked(step.stage).parse(step.params)
        assert type(read) is type(step.settings) and read == step.settings, step.id
        assert canonical(read.plain()) == step.params, step.id


def test_the_experiments_have_steps_of_all_stages_and_tables():
    found = [step for path in FILES for step in steps(path)]
    assert {step.stage for step in found} == set(STAGES)
    assert {step.settings.table for step in found if step.stage == "tables"} == set(TABLES)


def test_every_stage_has_a_class_of_its_own_which_nothing_changes():
    kinds = [asked(stage) for stage in STAGES]
    assert len(set(kinds)) == len(STAGES) and [kind.stage for kind in kinds] == list(STAGES)
    for step in steps(FILES[0]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(step.settings, dataclasses.fields(step.settings)[0].name, None)


@pytest.mark.parametrize("key", [None, "more"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_key_that_is_missing_or_unknown_is_named(stage, key):
    """key: one that is added; None: each that must be there is left out in turn."""
    step = next(step for path in reversed(FILES) for step in steps(path) if step.stage == stage)
    kind, there = type(step.settings), json.loads(step.params)
    if key:
        with pytest.raises(PopleakError, match=f"^the settings have an unknown key '{key}': allowed here: "):
            asked(stage).parse(json.dumps({**there, key: 1}))
        return
    must = [
        one.name
        for one in dataclasses.fields(kind)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    for name in must:
        with pytest.raises(PopleakError, match=f"^the settings lack the key '{name}': "):
            asked(stage).parse(json.dumps({key: value for key, value in there.items() if key != name}))


AFTER = {
    "split": ["draw", "measure", "inspect"],
    "train": ["defend", "query", "measure"],
    "query": ["measure"],
    "report": ["advise"],
}
"""Stages that call another's module, read its files, or name files as it does: they are run again with it whatever they import."""


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "tables"])
def test_a_change_of_one_stages_class_changes_the_code_of_that_stage_alone(stage):
    users = [other for other in STAGES if f"popleak.steps.{stage}" in imports(f"popleak.stages.{other}")]
    assert sorted(users) == sorted([stage, *AFTER.get(stage, [])])


@pytest.mark.parametrize("table", TABLES)
def test_a_change_of_one_tables_class_makes_that_table_anew_alone(table):
    users = {other for other in TABLES if f"popleak.steps.tables.{table}" in imports(f"popleak.tables.{other}")}
    assert users <= READ_BY.get(table, {table})


READ_BY = {
    "leakage": {"leakage", "placebo", "budgets", "defences"},
    "claims": {"claims", "sensitivity"},
    "regression": {"regression", "confusion"},
}
"""Tables whose modules call another table's: they are made anew where it changes."""


@pytest.mark.parametrize("table", TABLES)
def test_a_table_asks_for_what_the_plan_knows(table):
    kind = of_table(table)
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name != "table":
            told = get_type_hints(getattr(Known, field.name).fget)["return"]
            assert told == hints[field.name], (table, field.name)
    assert set(kind.reads) < set(TABLES)


def test_reading_settings_costs_no_start():
    """pydantic would cost more than these stages' own start."""
    for stage in ("split", "draw", "tables", "figures"):
        code = f"import sys, popleak.stages.{stage}; print('pydantic' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False", stage
