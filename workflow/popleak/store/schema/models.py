"""The public table `models`."""

from __future__ import annotations

from .columns import DEFENCE, PAIR, SMALL_CELLS, TASK, WHO, Column

MODELS = (
    *TASK,
    Column("role", "string", "victim or shadow"),
    WHO[0],
    WHO[1],
    Column("ratio", "double", "achieved P(a = 1) of the base model's draw, without its poisoned rows"),
    DEFENCE,
    WHO[2],
    Column("seed", "int64", "the model's own seed"),
    Column(
        "accuracy",
        "double",
        "accuracy on all rows of the split's query pool, each group weighted by its share in the dataset; null, as all measures "
        "to `tpr_difference_squared`, for shadows, which are not measured",
    ),
    Column(
        "auc",
        "double",
        "area under the ROC curve of the scores against y, on the pool so weighted; of labels of two classes, null for more, as the rates of "
        "groups and the squared differences",
    ),
    Column("accuracy_g0", "double", "accuracy on group 0"),
    Column("accuracy_g1", "double", "accuracy on group 1"),
    Column(
        "gap",
        "double",
        "accuracy on records of world 0 minus that on records of world 1, both from the rates by (y, a)",
    ),
    Column("tpr_g0", "double", "true positive rate, group 0"),
    Column("tpr_g1", "double", "true positive rate, group 1"),
    Column("fpr_g0", "double", "false positive rate, group 0"),
    Column("fpr_g1", "double", "false positive rate, group 1"),
    Column(
        "delta_eo",
        "double",
        "largest of |TPR difference| and |FPR difference| between the groups, on the pool: never 0, see `delta_eo_floor`; of more than two "
        "classes the largest total variation, over labels, between the groups' predictions (see `small_cells`)",
    ),
    Column("delta_eo_sum", "double", "their sum; of more than two classes that of the total variations of all labels"),
    Column(
        "dp_difference",
        "double",
        "|difference of positive prediction rates| between the groups; of more than two classes the total variation of their predictions",
    ),
    Column(
        "delta_eo_floor",
        "double",
        "what `delta_eo` would read on average, on as many rows, of a model with the same rates by label and no difference between the "
        "groups",
    ),
    Column(
        "delta_eo_crossed",
        "double",
        "the same as `delta_eo`, label and sign chosen on one half of the pool and measured on the other, both ways: 0 on average "
        "without a difference, so below 0 by chance",
    ),
    Column(
        "fpr_difference_squared",
        "double",
        "squared difference between the groups' false positive rates less the part that sampling of rows adds, so without bias: below 0 by "
        "chance; of the rows of the table that no victim of the split is trained on",
    ),
    Column("tpr_difference_squared", "double", "the same of the true positive rates; claim C5 compares means of both"),
    Column(
        "status",
        "string",
        "ok, diverged (a weight or score is not finite) or constant (one label for all); of shadows on the query points",
    ),
    *PAIR,
    Column("eo_weight", "double", "lambda of the EO term in the defence; 0 where there is none"),
    Column(
        "eo_vacuous",
        "double",
        "share of the EO penalty's terms (one a label and step) that were 0 because a (y, a) cell of the batch was empty",
    ),
    Column(
        "travel",
        "double",
        "how far the defence moved the weights: L2 distance from those of M_0 over their norm; null for `none`, closed forms and diverged models",
    ),
    SMALL_CELLS,
)
