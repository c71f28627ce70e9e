"""The public table `placebo`."""

from __future__ import annotations

from .columns import PAIR, TASK, WITH_BEST, Column

PLACEBO = (
    *TASK,
    *PAIR[:3],
    *WITH_BEST[:3],
    Column(
        "permutation",
        "int64",
        "number of the permutation of the group column; null in the summary row, which covers all permutations of "
        "the task",
    ),
    Column("victims", "int64", "number of undefended victims judged, both worlds; in the summary row, their sum"),
    Column("splits", "int64", "pool splits of each permutation"),
    Column(
        "accuracy",
        "double",
        "share of victims whose world was identified; in the summary row, the mean over permutations",
    ),
    Column("accuracy_low", "double", "95 % interval, clustered by pool split; null in the summary row"),
    Column("accuracy_high", "double", "95 % interval, clustered by pool split; null in the summary row"),
    Column(
        "against_chance",
        "string",
        "above, below or cannot tell: on which side of 1/2 the interval lies, if it excludes 1/2, although the "
        "groups do not differ; null in the summary row",
    ),
    Column(
        "permutations",
        "int64",
        "number of permutations of this cell; only in the summary row, as are all columns that follow",
    ),
    Column("sd", "double", "standard deviation of the accuracy over permutations; null if there is only one"),
    Column("lowest", "double", "lowest accuracy"),
    Column("highest", "double", "highest accuracy"),
    Column(
        "away_from_chance",
        "int64",
        "number of permutations whose 95 % interval excludes 1/2; by chance alone, one in twenty would",
    ),
    Column(
        "task_accuracy",
        "double",
        "accuracy in the task itself, with the group column as it is, on undefended models; null if it was not run",
    ),
    Column("task_accuracy_low", "double", "95 % interval"),
    Column("task_accuracy_high", "double", "95 % interval"),
    Column("task_against_chance", "string", "on which side of 1/2 that interval lies, if it excludes 1/2"),
)
