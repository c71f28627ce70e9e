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
    Column("named", "double", "the ratio that it names among the worlds'"),
)

REGRESSION = (
    *CELL,
    Column(
        "ratio", "double", "true ratio of the victims in this row; null: all together, each ratio weighing the same"
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
                "r (1 - r) / MSE: direct samples that are worth as much; null at 0 and 1 and in the row of all",
            ),
            ("accuracy", "share of victims whose ratio was named among all"),
            ("mutual_information", "bits between true and named ratio, bias-corrected; only in the row of all"),
        )
        for end in ("", "_low", "_high")
    ),
    Column(
        "fano_ceiling", "double", "highest accuracy that this much information allows (Fano); only in the row of all"
    ),
    Column("chance", "double", "1 / number of ratios"),
    Column(
        "against_chance",
        "string",
        "above, below or cannot tell: whether the accuracy's 95 % interval leaves out `chance`; below chance is informative",
    ),
)

CONFUSION = (
    *CELL,
    Column("ratio", "double", "true ratio"),
    Column("named", "double", "named ratio"),
    Column("victims", "int64", "victims of that ratio so named"),
    Column("share", "double", "their share among the victims of that ratio"),
)
