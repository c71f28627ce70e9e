"""What an edit of a module, or another version of a library, makes again: ids of the plan, against the tables of docs/caching.md."""

from __future__ import annotations

import functools

import pytest

import tiny
from popleak.core import provenance
from popleak.plan import build as plan
from popleak.report import reruns
from popleak.steps import STAGES
from reruns_of import rerun


def wide() -> plan.Plan:
    """A plan in which each stage has jobs of several kinds."""
    return tiny.build(
        tasks=[*tiny.raw()["tasks"], {"dataset": "synthetic-twin", "rows": 60, "query_rows": 30}],
        models=["mlp", "logistic"],
        defences=["none", "finetune", "fft", "answer-noise"],
        worlds=[
            {"protocol": "pure"},
            {"protocol": "k-ary", "ratios": [0, 0.5, 1]},
            {"protocol": "samples", "ratios": [0.3, 0.6]},
        ],
        attacks=["kl", "threshold", "meta", "property-inference", "shadow-generators"],
        generators=["tabular-diffusion"],
        sharers=["none", "rehearsal", "fixed-prior"],
        figures=["leakage", "gap", "regression"],
        audit={},
    )


@functools.cache
def names_of(stage: str, modules: tuple[str, ...]) -> set[str]:
    """Return of which plugins or tables a step with these modules is, as the table of modules names them."""
    return {name for name, places in reruns.jobs()[stage].items() if set(places) <= set(modules)}


def test_jobs_are_made_of_what_the_table_says():
    kinds = reruns.jobs()
    assert tuple(kinds) == STAGES
    for step in wide().all_steps():
        jobs = kinds[step.stage]
        assert {place for name in names_of(step.stage, step.modules) for place in jobs[name]} == set(step.modules), (
            step.id
        )


def told(step: plan.Step, cells: dict[str, str]) -> bool:
    """Return whether a row of the table of modules names a step's jobs."""
    cell = cells.get(step.stage, "")
    return cell == "all" or (bool(cell) and not names_of(step.stage, step.modules).isdisjoint(cell.split(", ")))


@pytest.fixture
def edit(monkeypatch):
    """edit(module): from now on that module alone has other code."""
    parsed = functools.cache(provenance._parsed)
    monkeypatch.setattr(provenance, "imports", functools.cache(provenance.imports))

    def other(module: str) -> None:
        provenance.code_digest.cache_clear()
        monkeypatch.setattr(
            provenance, "_parsed", lambda name: ("edited", parsed(name)[1]) if name == module else parsed(name)
        )

    yield other
    provenance.code_digest.cache_clear()


def test_an_edit_of_any_module_changes_the_code_of_the_jobs_that_the_table_names(edit):
    jobs = {step.modules: step for step in wide().all_steps()}
    before = {modules: provenance.code_digest(*modules) for modules in jobs}
    reached = reruns.by_module()
    rows = {module: str(cells) for module, cells in reached.items()}
    named = {
        (row, modules): told(step, reached[module]) for module, row in rows.items() for modules, step in jobs.items()
    }
    assert len(reached) > 300 and len(jobs) > 30
    for module, row in rows.items():
        edit(module)
        for modules, code in before.items():
            assert (provenance.code_digest(*modules) != code) == named[row, modules], (module, modules)


@pytest.mark.parametrize("stage", STAGES)
def test_what_follows_from_an_edit_gets_other_ids_and_nothing_else(edit, stage):
    module = f"popleak.stages.{stage}"
    before, cells = wide(), reruns.by_module()[module]
    made = {path: step.id for step in before.all_steps() for path in step.outputs.values()}
    edit(module)
    anew: set[str] = set()
    for step, edited in zip(before.all_steps(), wide().all_steps(), strict=True):
        read = {made[path] for paths in step.inputs.values() for path in paths if path in made}
        if told(step, cells) or read & anew:
            anew.add(step.id)
        assert (edited.id != step.id) == (step.id in anew), step.id
    assert anew


@pytest.mark.parametrize(
    ("library", "stages"),
    [("matplotlib", {"figures", "advise", "report"}), ("torch", {"train", "defend", "sample", "query", "measure"})],
)
def test_another_version_of_a_library_reaches_the_steps_that_compute_with_it(monkeypatch, library, stages):
    """matplotlib trains nothing."""
    assert {stage for stage in reruns.by_library()[library] if stage not in ("dataset", "attack")} == stages
    version, before = provenance._version, wide()
    monkeypatch.setattr(provenance, "_version", lambda name: "0.0" if name == library else version(name))
    provenance.library_versions.cache_clear()
    found = {stage for stage, _ in rerun(before, wide())}
    monkeypatch.undo()
    provenance.library_versions.cache_clear()
    assert found == (
        stages if library == "matplotlib" else {*stages, "attack", "inspect", "tables", "figures", "advise", "report"}
    )


def test_no_step_that_trains_knows_a_library_that_draws():
    for step in wide().all_steps():
        drawn = {"matplotlib", "pillow", "jinja2"} & provenance.library_versions(*step.modules).keys()
        assert not drawn or step.stage in ("figures", "advise", "report"), step.id
