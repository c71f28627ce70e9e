"""The public tables on more than two worlds: `estimates`, `regression` and `confusion`."""

from __future__ import annotations

from .columns import ADVERSARY, DEFENCE, PAIR, TASK, Column

CELL = (*TASK, Column("ratios", "string", "the worlds' ratios, separated by spaces"), PAIR[3], DEFENCE, *ADVERSARY)

ESTIMATES = (
    *CELL,
    Column("split", "int64", "pool split"),
    Column("ratio", "double", "ratio of the world in which the base model was trained"),
    Column("model_index", "int64", "number of the model within task, model, split and world"),
    Column("estimate", "double", "the adversary's estimate of that ratio"),
    Column("named", "double", "the ratio, among those of the worlds, that the adversary names"),
)

REGRESSION = (
    *CELL,
    Column(
        "ratio",
        "double",
        "true ratio of the victims in this row; null in the summary row, where all ratios have equal weight",
    ),
    Column("victims", "int64", "victims judged"),
    Column("splits", "int64", "pool splits"),
    *(
        Column(f"{name}{end}", "double", about if not end else "95 % interval, clustered by pool split")
        for name, about in (
            ("mae", "mean absolute error of the estimate"),
            ("mse", "mean squared error of the estimate"),
            ("bias", "mean of estimate minus true ratio"),
            (
                "n_leaked",
                "r (1 - r) / MSE: number of direct samples that would be worth as much; null at ratios 0 and 1 and in the summary row",
            ),
            ("accuracy", "share of victims whose ratio was identified among all"),
            (
                "mutual_information",
                "mutual information of true and named ratio in bits, bias-corrected; only in the summary row",
            ),
        )
        for end in ("", "_low", "_high")
    ),
    Column(
        "fano_ceiling", "double", "highest accuracy that this much information allows (Fano); only in the summary row"
    ),
    Column("chance", "double", "1 / number of ratios"),
    Column(
        "against_chance",
        "string",
        "above, below or cannot tell: on which side of `chance` the accuracy's 95 % interval lies, if it excludes it. 2.5 % of rows are below by chance alone",
    ),
)

CONFUSION = (
    *CELL,
    Column("ratio", "double", "true ratio"),
    Column("named", "double", "named ratio"),
    Column("victims", "int64", "number of victims of the true ratio that were given the named one"),
    Column("share", "double", "their share among the victims of the true ratio"),
)
