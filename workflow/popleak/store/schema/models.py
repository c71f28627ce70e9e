"""The public table `models`."""

from __future__ import annotations

from .columns import DEFENCE, PAIR, SMALL_CELLS, TASK, WHO, Column

MODELS = (
    *TASK,
    Column("role", "string", "victim or shadow"),
    WHO[0],
    WHO[1],
    Column("ratio", "double", "P(a = 1) among the rows that the base model drew, poisoned rows excluded"),
    DEFENCE,
    WHO[2],
    Column("seed", "int64", "the model's own seed"),
    Column(
        "accuracy",
        "double",
        "accuracy on all rows of the split's query pool, each group weighted by its share in the dataset; null for"
        " shadows, as are all measures up to `tpr_difference_squared`",
    ),
    Column(
        "auc",
        "double",
        "area under the ROC curve of the scores against y, on the pool with the same weights. Null for more than "
        "two classes, as are the groups' rates and the squared differences",
    ),
    Column("accuracy_g0", "double", "accuracy on group 0"),
    Column("accuracy_g1", "double", "accuracy on group 1"),
    Column(
        "gap",
        "double",
        "accuracy on records of world 0 minus accuracy on records of world 1, both computed from the rates by (y, a)",
    ),
    Column("tpr_g0", "double", "true positive rate, group 0"),
    Column("tpr_g1", "double", "true positive rate, group 1"),
    Column("fpr_g0", "double", "false positive rate, group 0"),
    Column("fpr_g1", "double", "false positive rate, group 1"),
    Column(
        "delta_eo",
        "double",
        "the larger of |TPR difference| and |FPR difference| between the groups, on the pool; never exactly 0, see"
        " `delta_eo_floor`. For more than two classes: the largest total variation, over labels, between the "
        "groups' predictions (see `small_cells`)",
    ),
    Column(
        "delta_eo_sum",
        "double",
        "sum of the two differences; for more than two classes, sum of the total variations of all labels",
    ),
    Column(
        "dp_difference",
        "double",
        "|difference in positive prediction rates| between the groups; for more than two classes, the total "
        "variation between their predictions",
    ),
    Column(
        "delta_eo_floor",
        "double",
        "expected `delta_eo`, on as many rows, of a model with the same rates by label and no difference between "
        "the groups",
    ),
    Column(
        "delta_eo_crossed",
        "double",
        "as `delta_eo`, but label and sign are chosen on one half of the pool and measured on the other, in both "
        "directions. Its mean is 0 if there is no difference, so it can be negative",
    ),
    Column(
        "fpr_difference_squared",
        "double",
        "unbiased estimate of the squared difference between the groups' false positive rates, over the table's "
        "rows that no victim of the split is trained on. The part added by sampling rows is subtracted, so it can "
        "be negative",
    ),
    Column("tpr_difference_squared", "double", "the same for the true positive rates; claim C5 compares means of both"),
    Column(
        "status",
        "string",
        "ok, diverged (a weight or score is not finite) or constant (the same label for all rows); for shadows, on"
        " the query points",
    ),
    *PAIR,
    Column(
        "eo_weight",
        "double",
        "lambda of the EO term in the defence, or the weight of its adversary; 0 if it has neither",
    ),
    Column(
        "eo_vacuous",
        "double",
        "share of the terms of the EO penalty (one for each label and step) that were 0 because a (y, a) cell of "
        "the batch was empty; with an adversary the share of steps on rows of one group",
    ),
    Column(
        "travel",
        "double",
        "how far the defence moved the weights: L2 distance from the weights of M_0, divided by their norm. Null "
        "for `none`, closed-form models and diverged models",
    ),
    SMALL_CELLS,
    Column(
        "certified_advantage",
        "double",
        "advantage, TPR - FPR, that no adversary exceeds in telling the victim's world, by a theorem whose conditions were "
        "checked on this model's training (docs/certificates.md). Null for defences without such a theorem, "
        "where a condition was not met, and for shadows",
    ),
    *(
        Column(
            f"accuracy_y{y}_g{a}",
            "double",
            f"accuracy on the rows of label {y} and group {a}; null for more than two classes, and for shadows",
        )
        for y in (0, 1)
        for a in (0, 1)
    ),
    Column(
        "membership_auc",
        "double",
        "membership inference by the loss (Yeom et al. 2018), a first measure: probability that the model's loss on a row of S_0 that "
        "the base model was trained on is below its loss on a row of the query pool, ties counting one half. Pool rows are "
        "weighted so that labels and groups have their shares in S_0, so a model that saw no row of S_0 has 0.5 on average. Of a defence that answers "
        "at random, one answer a row. Members are the same whatever the release itself was trained on: rows of S_0 that a defence leaves out are "
        "members too, and rows of the complement or public rows that it trains on are none, though it may give those away. Poisoned rows are left out; "
        "null for shadows and diverged models",
    ),
    Column(
        "membership_advantage",
        "double",
        "TPR - FPR, with the same members, of the rule that calls a row a member if its loss is at most the mean loss on the rows of S_0",
    ),
)
