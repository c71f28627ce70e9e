"""Cards flow: every file of a run bears those of the data behind it, samples those of their sharer's rows, and data that may not meet do not."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

import generated
import tiny
import whole
from popleak.cli import stages
from popleak.config import resolve as config
from popleak.core import uses
from popleak.core.errors import PopleakError
from popleak.datasets import _cards
from popleak.plan.build import build
from popleak.store import parquet as store

SMALL = {"rows": 40, "query_rows": 20}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A whole run of two datasets: its folder and its plan."""
    folder = tmp_path_factory.mktemp("two")
    plan = build(
        config.load(
            tiny.raw(
                tasks=[{"dataset": "digits", **SMALL}, {"dataset": "synthetic", **SMALL, "options": {"rows": 800}}],
                models=["logistic"], defences=["none"], attacks=["kl"], knowledge=["informed"], figures=[],
            )
        )
    )  # fmt: skip
    whole.run_all(plan, folder)
    return folder, plan


def digests(*names: str) -> set[str]:
    return {_cards.packaged(name).digest for name in names}


# ---- what flows


def test_every_file_bears_the_cards_of_its_data(ran):
    folder, plan = ran
    seen = set()
    for step in plan.all_steps():
        for path in step.outputs.values():
            if not path.endswith(".parquet"):
                continue
            found = set(store.facts(folder / path)["cards"])
            seen.add(step.stage)
            if step.stage == "tables":
                assert found == digests("digits", "synthetic"), path
            else:
                assert found == digests("digits" if step.id.startswith("digits") else "synthetic"), path
    assert {"dataset", "split", "draw", "train", "query", "measure", "attack", "tables"} <= seen


def test_public_tables_say_what_may_be_done_with_them(ran):
    folder, plan = ran
    labels = store.labels([folder / plan.tables["leakage"].outputs["table"]])
    for name in ("digits", "synthetic"):
        about = _cards.packaged(name)
        assert labels[about.digest] == about.label()
    assert uses.forbidden(labels) == ["identifying people"]
    assert uses.permitted(labels) == ["audit", "commercial use", "research", "teaching"]


@pytest.mark.slow
def test_samples_inherit_the_card_of_their_sharers_rows():
    """D5."""
    run = generated.ran()
    own = _cards.packaged("synthetic")
    samples = generated.steps(run.plan, "sample")
    assert samples
    for step in samples:
        for path in step.outputs.values():
            assert store.facts(run.folder / path)["cards"] == {own.digest: own.label()}
    receivers = [step for step in generated.steps(run.plan, "defend") if any("samples" in name for name in step.inputs)]
    for step in receivers:
        assert all(set(store.facts(run.folder / path)["cards"]) == {own.digest} for path in step.outputs.values())


# ---- what the report shows


def test_the_report_shows_the_cards_used_and_no_others(ran, tmp_path):
    """D4, also where the job is given a file of data that no table was made of."""
    folder, plan = ran
    page = (folder / plan.report.outputs["html"]).read_text(encoding="utf-8")
    for name in ("digits", "synthetic"):
        about = _cards.packaged(name)
        assert f'href="#data-{about.digest[:12]}"' in page and f'id="data-{about.digest[:12]}"' in page
        assert f"Datasheet of {about['name']}" in page
    assert "permit audit, commercial use, research and teaching; at least one forbids identifying people" in page
    other = next(
        iter(
            build(config.load(tiny.raw(tasks=[{"dataset": "synthetic-twin", **SMALL, "options": {"rows": 800}}])))
            .steps["dataset"]
            .values()
        )
    )
    strange = tiny.run_stage(other, tmp_path)
    step = dataclasses.replace(
        plan.report,
        inputs={name: tuple(str(folder / path) for path in paths) for name, paths in plan.report.inputs.items()}
        | {"cards": (*(str(folder / path) for path in plan.report.inputs["cards"]), str(strange))},
        outputs={name: str(tmp_path / Path(path).name) for name, path in plan.report.outputs.items()},
    )  # fmt: skip
    whole.make(step)
    again = Path(step.outputs["html"]).read_text(encoding="utf-8")
    assert "Synthetic twins" not in again and again.count('id="data-') == page.count('id="data-') == 2


# ---- what may not meet


def label(permitted, forbidden=(), dataset="one"):
    return uses.label(
        dataset=dataset, title=dataset, purpose="p", permitted=permitted, forbidden=forbidden, consent="unknown"
    )


@pytest.mark.parametrize(
    ("labels", "left"),
    [
        ([label(["research", "teaching"])], ["research", "teaching"]),
        ([label(["research", "teaching"]), label(["research"])], ["research"]),
        ([label(["research"]), label(["research", "teaching"], ["research"])], []),
        ([label(["research"]), label(["commercial use"])], []),
        ([label(["research"]), label("unknown")], []),
        ([], []),
    ],
)  # fmt: skip
def test_what_is_permitted_together(labels, left):
    named = {str(number): one for number, one in enumerate(labels)}
    assert uses.permitted(named) == left
    if len(labels) > 1 and not left:
        with pytest.raises(
            PopleakError, match=r"^here: would join data for which no use is permitted together: one [(]"
        ):
            uses.join(named, "here")
    else:
        uses.join(named, "here")


def test_a_job_that_would_join_data_of_incompatible_purposes_is_refused(ran, tmp_path, capsys, monkeypatch):
    """The command of the stage `draw`, given the records of one dataset and the pools of another. Of two whose cards permit one use it is not the
    card that refuses."""
    folder, plan = ran
    monkeypatch.chdir(folder)
    draw = next(step for step in plan.steps["draw"].values() if step.id.startswith("synthetic"))
    pools = next(step for step in plan.steps["split"].values() if step.id.startswith("digits"))
    mixed = dataclasses.replace(
        draw, inputs={**draw.inputs, "pools": (pools.outputs["table"],)}, outputs={"table": str(tmp_path / "x.parquet")}
    )
    monkeypatch.setattr(uses, "permitted", lambda labels: [])
    assert stages.main(whole.words(mixed)) == 2
    said = capsys.readouterr().err
    assert "would join data for which no use is permitted together: digits (permits research" in said
    assert "give files of one dataset, or data whose cards permit the same use" in said and "Traceback" not in said
    assert not (tmp_path / "x.parquet").exists()


def test_two_cards_that_permit_nothing_together_stop_a_job(tmp_path, capsys, monkeypatch):
    """The same with cards whose words differ, from their files to the command."""
    cards = shutil.copytree(_cards.FOLDER, tmp_path / "cards")
    monkeypatch.setattr(_cards, "FOLDER", cards)
    monkeypatch.chdir(tmp_path)

    def built(**permits):
        for name, uses_ in permits.items():
            path = _cards.place(name)
            changed = {**json.loads(path.read_text(encoding="utf-8")), "popleak:permittedUse": uses_}
            path.write_text(json.dumps(changed), encoding="utf-8")
        tasks = [{"dataset": "digits", **SMALL}, {"dataset": "synthetic", **SMALL, "options": {"rows": 800}}]
        plan = build(
            config.load(tiny.raw(tasks=tasks, models=["logistic"], defences=["none"], attacks=["kl"], figures=[]))
        )
        for stage in ("dataset", "split"):
            for step in plan.steps[stage].values():
                whole.make(step)
        draw = next(step for step in plan.steps["draw"].values() if step.id.startswith("synthetic"))
        pools = next(step for step in plan.steps["split"].values() if step.id.startswith("digits"))
        return whole.words(
            dataclasses.replace(
                draw, inputs={**draw.inputs, "pools": pools.outputs.values()}, outputs={"table": "x.parquet"}
            )
        )

    assert stages.main(built(digits=["commercial use"], synthetic=["research", "teaching"])) == 2
    said = capsys.readouterr().err
    assert (
        "would join data for which no use is permitted together: digits (permits commercial use) and synthetic (permits research, teaching): give files"
    ) in said and not Path("x.parquet").exists()
    with contextlib.suppress(Exception):  # pools of one dataset are none of the other, which is not the cards' affair
        stages.main(built(digits=["commercial use", "research"]))
    assert "would join data" not in capsys.readouterr().err
