"""The public table `placebo`."""

from __future__ import annotations

from .columns import PAIR, TASK, WITH_BEST, Column

PLACEBO = (
    *TASK,
    *PAIR[:3],
    *WITH_BEST[:3],
    Column("permutation", "int64", "number of the permutation of the group column; null: all of the task's together"),
    Column("victims", "int64", "undefended victims judged, both worlds; in the row of all their sum"),
    Column("splits", "int64", "pool splits of a permutation"),
    Column(
        "accuracy", "double", "share of victims whose world was named; in the row of all the mean over permutations"
    ),
    Column("accuracy_low", "double", "95 % interval, clustered by pool split; null in the row of all"),
    Column("accuracy_high", "double", "95 % interval, clustered by pool split; null in the row of all"),
    Column(
        "against_chance",
        "string",
        "above, below or cannot tell: whether the interval leaves out 1/2, although the groups do not differ; null in the row of all",
    ),
    Column("permutations", "int64", "only in the row of all, as all that follow: permutations of this cell"),
    Column("sd", "double", "standard deviation of the accuracy over permutations; null for one"),
    Column("lowest", "double", "least accuracy"),
    Column("highest", "double", "greatest accuracy"),
    Column(
        "away_from_chance",
        "int64",
        "permutations whose 95 % interval leaves out 1/2; one in twenty would by chance alone",
    ),
    Column(
        "task_accuracy",
        "double",
        "the task's own value: the group column as it is, undefended; null where it was not run",
    ),
    Column("task_accuracy_low", "double", "95 % interval"),
    Column("task_accuracy_high", "double", "95 % interval"),
    Column("task_against_chance", "string", "whether that interval leaves out 1/2"),
)
