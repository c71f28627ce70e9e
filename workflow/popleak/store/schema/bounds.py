"""The public table `bounds`."""

from __future__ import annotations

from .columns import DEFENCE, PAIR, SMALL_CELLS, TASK, WHO, Column

BOUNDS = (
    *TASK,
    DEFENCE,
    *WHO,
    Column("delta_eo", "double", "max over y of delta_y"),
    Column("w", "double", "W = sum over y of pi_y W_y"),
    Column("beta", "double", "difference between the label rates of the two worlds"),
    Column("gap", "double", "|accuracy on world 0 - accuracy on world 1|"),
    Column("rhs_literal", "double", "Delta_EO * W"),
    Column(
        "rhs_corrected",
        "double",
        "sum_y qbar(y) W_y delta_y + beta |TPRbar - TNRbar|; for more than two classes the last term is that of "
        "the general form",
    ),
    Column("adv_balanced", "double", "optimal advantage of (yhat, y) in the label-balanced game"),
    Column("rhs_balanced", "double", "Delta_EO * W in the label-balanced game"),
    Column("adv", "double", "optimal advantage of (yhat, y) in the natural game"),
    Column("rhs_coupling", "double", "beta + (1 - beta) Delta_EO max_y W_y"),
    Column("literal_holds", "bool", "the bootstrap's lower limit of gap - rhs_literal is at most 0"),
    Column("corrected_holds", "bool", "the same for gap and rhs_corrected"),
    Column("balanced_holds", "bool", "the same for adv_balanced and rhs_balanced"),
    Column("coupling_holds", "bool", "the same for adv and rhs_coupling"),
    Column(
        "smallest_cell",
        "int64",
        "number of rows of the pool in the smallest (y, a) cell; for more than two classes, in the smallest that "
        "counts. Below 30 the row is weak evidence",
    ),
    *PAIR,
    Column("literal_excess_low", "double", "lower 95 % limit of gap - rhs_literal (bootstrap, bias-corrected)"),
    Column("literal_excess_high", "double", "upper limit; at most 0 if equal label rates make the form a theorem"),
    Column(
        "weighted_delta",
        "double",
        "sum_y pi_y W_y delta_y on one half of the pool, signed: negative if the other half shows the opposite",
    ),
    Column(
        "adv_balanced_measured",
        "double",
        "label-balanced advantage, on the other half, of the rule that is best on that half",
    ),
    Column(
        "queries_to_detect",
        "double",
        "number of queries from each world (pure: from each group) after which a one-sided test at level 0.05 "
        "detects the gap with power 0.8; null without a gap",
    ),
    Column(
        "adv_scores",
        "double",
        "label-balanced advantage of an adversary who sees (score, y), with scores in 10 bins. The rule is chosen "
        "on one half of the pool and measured on the other, in both directions. Null for more than two classes, as"
        " are the next five",
    ),
    Column(
        "delta_eo_scores",
        "double",
        "the same for one label, without W; the label is the one with the larger value on the half where the rule "
        "is chosen",
    ),
    Column(
        "rhs_scores",
        "double",
        "delta_eo_scores * W; like delta_eo_scores, it can be negative by chance if there is no difference",
    ),
    Column(
        "scores_holds",
        "bool",
        "the lower 95 % limit of adv_scores - rhs_scores is at most 0. The form is a theorem, so this checks the "
        "code; by chance it is false for up to 4 % of models",
    ),
    Column("scores_excess_low", "double", "2.5 % quantile of the bootstrap of adv_scores - rhs_literal"),
    Column(
        "scores_exceed_literal",
        "bool",
        "whether scores_excess_low is above 0: the literal bound, Delta_EO * W of the labels, then does not bound "
        "what scores reveal",
    ),
    Column(
        "adv_groups",
        "double",
        "advantage of an adversary who sees (yhat, y) and the second attribute s, balanced over (y, s), measured "
        "like adv_scores. Null if the dataset has no second attribute, as are the next five",
    ),
    Column(
        "delta_eo_groups",
        "double",
        "Delta_EO over the intersections of the attribute and the second one, on the whole pool; an upper "
        "estimate, too high if cells are small",
    ),
    Column(
        "delta_eo_groups_measured",
        "double",
        "the same, with the pair of groups chosen on one half of the pool and measured on the other, in both "
        "directions",
    ),
    Column("rhs_groups", "double", "delta_eo_groups_measured * W"),
    Column("groups_holds", "bool", "like scores_holds, for adv_groups and rhs_groups"),
    Column(
        "smallest_group_cell",
        "int64",
        "number of rows in the smallest (y, a, s) cell; below 30 these six columns are weak evidence",
    ),
    SMALL_CELLS,
)
