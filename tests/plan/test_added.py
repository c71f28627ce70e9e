"""A defence that is added has its own models trained and asked, and no others: ids of the plan."""

from __future__ import annotations

import pytest

import tiny

BEFORE = ["none", "finetune", "fft"]


def ids(defences, **changes) -> dict[str, set[str]]:
    plan = tiny.build(defences=defences, **changes)
    return {
        stage: {step.id for step in plan.all_steps() if step.stage == stage}
        for stage in ("draw", "train", "defend", "query")
    }


@pytest.mark.parametrize(
    "added", ["rehearsal", {"name": "fft", "id": "slow", "settings": {"learning_rate": 1e-4}}, "answer-noise"]
)
@pytest.mark.parametrize("at", [1, 3])
def test_an_added_defence_is_trained_and_asked_alone(added, at):
    before, after = ids(BEFORE), ids([*BEFORE[:at], added, *BEFORE[at:]])
    for stage, steps in before.items():
        assert steps <= after[stage], stage
    assert not after["train"] - before["train"]
    new = after["query"] - before["query"]
    name = added if isinstance(added, str) else added["name"]
    assert new and all(f"-{name}-" in one for one in new)


def test_a_renamed_defence_is_neither_trained_nor_asked_again():
    assert ids(["none", "fft"]) == ids(["none", {"name": "fft", "id": "other"}])


@pytest.mark.parametrize("name", ["threshold-optimizer", "answer-noise", "reductions"])
def test_how_answers_are_drawn_trains_nothing_again(name):
    fresh = ["none", name]
    both = [*fresh, {"name": name, "id": "frozen", "settings": {"answers": "frozen"}}]
    before, after = ids(fresh), ids(both)
    assert before["defend"] == after["defend"]
    assert len(after["query"] - before["query"]) == 1
