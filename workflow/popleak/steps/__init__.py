"""What the plan tells a job: one file a stage, each with one frozen class. The plan writes it, the stage reads it."""

STAGES = (
    "dataset", "split", "draw", "train", "defend", "sample", "query", "measure", "attack", "inspect", "tables", "figures", "advise", "report",
)  # fmt: skip
"""All stages, in the order in which they follow one another."""
