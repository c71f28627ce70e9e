"""Which steps a change makes again: two plans side by side."""

from __future__ import annotations

from popleak.plan import build as plan


def rerun(old: plan.Plan, new: plan.Plan) -> set[tuple[str, str]]:
    """Return (stage, id) of the new plan's steps whose files a run of the old one does not leave behind."""
    before, after = ({(step.stage, step.id): step for step in built.all_steps()} for built in (old, new))
    for key in before.keys() & after.keys():
        one, other = before[key], after[key]
        assert (one.params, one.inputs, one.outputs, one.code) == (
            other.params, other.inputs, other.outputs, other.code,
        ), "one id, one meaning"  # fmt: skip
    return after.keys() - before.keys()
