"""The public tables: names, types and meaning of their columns. Columns may be added, never renamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa


class Column(NamedTuple):
    """name; type: an Arrow type's name; about: what it holds, with its unit."""

    name: str
    type: str
    about: str


TASK = (
    Column("task", "string", "id of the task (dataset x label x attribute)"),
    Column("model", "string", "id of the model"),
)
PAIR = (
    Column(
        "protocol", "string", "pure, ratio or equal (called null in earlier versions), or a form of another question"
    ),
    Column("ratio_0", "double", "P(a = 1) in world 0, or what else worlds of the protocol differ in"),
    Column("ratio_1", "double", "the same of world 1"),
    Column("poison", "double", "share of every draw's rows that the adversary slipped in with flipped labels"),
)
DEFENCE = Column("defence", "string", "id of the defence; `none` is the undefended model")
WHO = (
    Column("split", "int64", "pool split"),
    Column("world", "int64", "world in which the base model was trained, hence FFt's direction"),
    Column(
        "model_index",
        "int64",
        "number of the model within task, model, role, split and world; the same draw under every defence",
    ),
)
ADVERSARY = (
    Column("adversary", "string", "id of the attack"),
    Column(
        "access",
        "string",
        "what is seen of the victim: labels, scores, weights, pair (scores of the base model too), rows (of its training), or the name of another access",
    ),
    Column(
        "knowledge",
        "string",
        "unaware (undefended shadows), aware (shadows with the same defence at its default settings; only where those are not the "
        "victim's), informed (the same defence and settings; undefended victims have no other), any (no shadows used)",
    ),
    Column("shadow_model", "string", "id of the shadows' architecture; the victim's own unless said otherwise"),
    Column("repeats", "int64", "how often each query is asked; above 1 only where a defence answers at random"),
)
WITH_BEST = (
    Column(
        "adversary",
        "string",
        "id of the attack; `best` is for each half of the pool splits the attack that did best on the other half",
    ),
    Column("access", "string", f"{ADVERSARY[1].about}; any for `best`, whose candidates see labels or scores"),
    *ADVERSARY[2:],
)

SMALL_CELLS = Column(
    "small_cells",
    "int64",
    "of labels of more than two classes: (y, a) cells of the pool with fewer than 30 rows, whose labels are left out of `delta_eo`, `gap` and "
    "the bound; null for two classes",
)

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
SCORES = (
    *TASK,
    *PAIR,
    DEFENCE,
    *ADVERSARY,
    *WHO,
    Column("score", "double", "evidence for world 1; the threshold is 0"),
    Column("guess", "int64", "0 or 1; -1 where the adversary abstains, counted as a coin flip"),
    Column(
        "known_ceiling",
        "double",
        "accuracy of the best possible adversary: in the rows of `ceiling`, where the law of the outputs is known; else null",
    ),
)
LEAKAGE = (
    *TASK,
    *PAIR,
    DEFENCE,
    *WITH_BEST,
    Column("victims", "int64", "victims judged, both worlds"),
    Column("splits", "int64", "pool splits"),
    Column("accuracy", "double", "share of victims whose world was named, an abstention counting one half"),
    Column("accuracy_low", "double", "95 % interval, clustered by pool split"),
    Column("accuracy_high", "double", "95 % interval, clustered by pool split"),
    Column("advantage", "double", "TPR - FPR"),
    Column("advantage_low", "double", "95 % interval"),
    Column("advantage_high", "double", "95 % interval"),
    Column("auc", "double", "area under the adversary's ROC curve, mean over pool splits"),
    Column("auc_low", "double", "95 % interval"),
    Column("auc_high", "double", "95 % interval"),
    Column(
        "tpr_at_fpr_05", "double", "TPR at FPR 0.05; null, as at 0.01, for `best`, whose scores are of several attacks"
    ),
    Column(
        "tpr_at_fpr_01",
        "double",
        "TPR at FPR 0.01; with fewer than 100 victims of world 0, at no false positive among them",
    ),
    Column(
        "n_leaked",
        "double",
        "direct samples of training data that are that are worth as much; ratio worlds only, else null; 0 at accuracies to 1/2, those below chance too",
    ),
    Column(
        "detectable_advantage",
        "double",
        "smallest advantage detected with power 0.8 at level 0.05 by this many victims and splits",
    ),
    Column("p_vs_none", "double", "p value of the paired difference in accuracy from `none`"),
    Column("p_vs_control", "double", "p value of the paired difference in accuracy from the matched no-EO control"),
    Column("p_vs_none_holm", "double", "the same, Holm-corrected within the row's `family`; null for reference lines"),
    Column(
        "p_vs_control_holm", "double", "the same, Holm-corrected within the row's `family`; null for reference lines"
    ),
    Column("difference_vs_control", "double", "paired difference in accuracy from the control"),
    Column("difference_vs_control_low", "double", "95 % interval"),
    Column("difference_vs_control_high", "double", "95 % interval"),
    Column("abstained", "double", "share of victims on which the adversary abstained"),
    Column(
        "known_ceiling",
        "double",
        "accuracy of the best possible adversary: in all rows of undefended victims, where the law of the outputs is known; else null",
    ),
    Column("n_leaked_low", "double", "95 % interval, from that of the accuracy"),
    Column(
        "n_leaked_high", "double", "95 % interval, from that of the accuracy; infinite where the accuracy's reaches 1"
    ),
    Column("tpr_at_fpr_05_low", "double", "95 % interval, the threshold estimated too"),
    Column("tpr_at_fpr_05_high", "double", "95 % interval, the threshold estimated too"),
    Column(
        "tpr_at_fpr_01_low",
        "double",
        "95 % interval; 0 where so few victims of world 0 set no lower limit (always below 100, mostly below 400)",
    ),
    Column("tpr_at_fpr_01_high", "double", "95 % interval"),
    Column("difference_vs_none", "double", "paired difference in accuracy from `none`"),
    Column("difference_vs_none_low", "double", "95 % interval"),
    Column("difference_vs_none_high", "double", "95 % interval"),
    Column(
        "diverged",
        "int64",
        "victims that diverged: in the accuracy they answer 0.5 to all; in no difference, nor is a victim whose counterpart diverged. "
        "0 where the training rows are seen, not the model",
    ),
    Column(
        "against_chance",
        "string",
        "above, below or cannot tell: whether the accuracy's 95 % interval leaves out 1/2; of single rows 2.5 % are `below` by "
        "chance alone; where more are, inverting such answers makes them right that often",
    ),
    Column(
        "verdict_vs_control",
        "string",
        "not applicable where the models are the control's own: every EO term was vacuous, or all measures and scores (but of aware shadows) "
        "are equal to the last bit (no limits, no test); cannot tell where neither accuracy differs from chance; no material difference where "
        "p_equal_vs_control_holm is below 0.05; lower or higher where p_vs_control_holm is; else cannot tell. The first that applies; null "
        "where there is no control, and for reference lines",
    ),
    Column(
        "verdict_vs_none",
        "string",
        "the same for the difference from `none`, where only equal bits show that models are the same",
    ),
    Column("dataset", "string", "the task's dataset"),
    Column("attribute", "string", "the task's sensitive attribute; for a table of your own its column"),
    Column("rows", "int64", "rows that each model of the task draws"),
    Column("attribute_in_features", "bool", "whether the task's models see the attribute, as one more feature"),
    Column(
        "twin_task",
        "string",
        "id of the task that differs only in this: its models do not see the attribute; null where they do not here, or there is no such task",
    ),
    Column(
        "margin",
        "double",
        "smallest difference in accuracy that counts as material: the config's `margin`; twice that in advantage",
    ),
    Column(
        "family",
        "string",
        "primary: `best`, informed, own shadows, asked once, nobody poisoned, worlds that differ, which is what claim C6 asks; secondary: all "
        "other rows. p values are corrected within each, those against the control and those against `none` apart; null for reference lines",
    ),
    *(
        column
        for other, said in (("control", "the control"), ("none", "`none`"))
        for column in (
            Column(
                f"p_equal_vs_{other}",
                "double",
                f"p value of two one-sided tests that the difference in accuracy to {said} lies within +-margin",
            ),
            Column(
                f"p_equal_vs_{other}_holm",
                "double",
                "the same, Holm-corrected within the row's `family`; null for reference lines",
            ),
            Column(
                f"reason_vs_{other}",
                "string",
                f"why verdict_vs_{other} is cannot tell, where it is for another reason than two p values of 0.05 and more, or not applicable; "
                f"else null",
            ),
            Column(
                f"sd_vs_{other}",
                "double",
                "standard deviation, within splits, of one victim's paired difference in accuracy; of `best` as its test counts it, root 1.36 larger",
            ),
            Column(
                f"between_vs_{other}",
                "double",
                "estimated standard deviation of the pool splits' own differences; imprecise with few splits",
            ),
        )
    ),
)
BOUNDS = (
    *TASK,
    DEFENCE,
    *WHO,
    Column("delta_eo", "double", "max over y of delta_y"),
    Column("w", "double", "W = sum over y of pi_y W_y"),
    Column("beta", "double", "difference of the worlds' label rates"),
    Column("gap", "double", "|accuracy on world 0 - accuracy on world 1|"),
    Column("rhs_literal", "double", "Delta_EO * W"),
    Column(
        "rhs_corrected",
        "double",
        "sum_y qbar(y) W_y delta_y + beta |TPRbar - TNRbar|; of more than two classes the last term is that of the general form",
    ),
    Column("adv_balanced", "double", "optimal advantage of (yhat, y) in the label-balanced game"),
    Column("rhs_balanced", "double", "Delta_EO * W in the label-balanced game"),
    Column("adv", "double", "optimal advantage of (yhat, y) in the natural game"),
    Column("rhs_coupling", "double", "beta + (1 - beta) Delta_EO max_y W_y"),
    Column("literal_holds", "bool", "the bootstrap's lower limit of gap - rhs_literal is not above 0"),
    Column("corrected_holds", "bool", "the same for gap and rhs_corrected"),
    Column("balanced_holds", "bool", "the same for adv_balanced and rhs_balanced"),
    Column("coupling_holds", "bool", "the same for adv and rhs_coupling"),
    Column(
        "smallest_cell",
        "int64",
        "rows of the pool in the smallest (y, a) cell, of more than two classes in the smallest that counts; below 30 the row is weak evidence",
    ),
    *PAIR,
    Column("literal_excess_low", "double", "lower 95 % limit of gap - rhs_literal: bootstrap, corrected for bias"),
    Column("literal_excess_high", "double", "upper limit; at most 0 where equal label rates make the form a theorem"),
    Column("weighted_delta", "double", "sum_y pi_y W_y delta_y, on one half of the pool"),
    Column(
        "adv_balanced_measured",
        "double",
        "label-balanced advantage of the rule that is best on those rows, measured on the others",
    ),
    Column(
        "queries_to_detect",
        "double",
        "queries from each world (pure: each group) after which a one-sided test at level 0.05 detects the gap with power 0.8; "
        "null without a gap",
    ),
    Column(
        "adv_scores",
        "double",
        "label-balanced advantage of an adversary who sees (score, y), scores in 10 bins: rule chosen on half of the pool, "
        "measured on the other, both ways; null, as the next five, for more than two classes",
    ),
    Column(
        "delta_eo_scores",
        "double",
        "the same for one label, without W: that which is larger on the half where the rule is chosen",
    ),
    Column("rhs_scores", "double", "delta_eo_scores * W; as that, below 0 by chance where there is nothing"),
    Column(
        "scores_holds",
        "bool",
        "the lower 95 % limit of adv_scores - rhs_scores is not above 0. The form is a theorem: this checks the code, "
        "and is false for up to 4 % of models by chance",
    ),
    Column("scores_excess_low", "double", "2.5 % quantile of the bootstrap of adv_scores - rhs_literal"),
    Column(
        "scores_exceed_literal", "bool", "it is above 0: Delta_EO * W of the labels does not bound what scores tell"
    ),
    Column(
        "adv_groups",
        "double",
        "advantage of an adversary who sees (yhat, y) and the second attribute s, balanced over (y, s), measured as adv_scores; "
        "null, as the next five, where the dataset has no second attribute",
    ),
    Column(
        "delta_eo_groups",
        "double",
        "Delta_EO over the intersections of the attribute and the second one, on the whole pool: an upper end, too high "
        "where cells are small",
    ),
    Column(
        "delta_eo_groups_measured",
        "double",
        "the same, pair of groups chosen on half of the pool and measured on the other, both ways",
    ),
    Column("rhs_groups", "double", "delta_eo_groups_measured * W"),
    Column("groups_holds", "bool", "as scores_holds, for adv_groups and rhs_groups"),
    Column("smallest_group_cell", "int64", "rows in the smallest (y, a, s) cell; below 30 the six are weak evidence"),
    SMALL_CELLS,
)
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
        "above, below or cannot tell: whether the accuracy's 95 % interval leaves out `chance`; 2.5 % of rows are below by chance alone",
    ),
)
CONFUSION = (
    *CELL,
    Column("ratio", "double", "true ratio"),
    Column("named", "double", "named ratio"),
    Column("victims", "int64", "victims of that ratio so named"),
    Column("share", "double", "their share among the victims of that ratio"),
)
PROXIES = (
    Column("proxy", "string", "a number that is cheaper to compute than the best informed adversary's advantage"),
    Column("scope", "string", "`all`, or the id of one task"),
    Column("cells", "int64", "cells: task x model x pair of worlds x defence"),
    Column("tasks", "int64", "tasks among them"),
    Column("rank_correlation", "double", "Spearman's, with the best informed adversary's advantage, over the cells"),
    Column("low", "double", "95 % interval"),
    Column("high", "double", "95 % interval"),
)
CLAIMS = (
    Column("claim", "string", "C1 to C8, and C2s"),
    Column("task", "string", "id of the task, or `witness` for the claim that needs no data"),
    Column("verdict", "string", "holds, fails, cannot tell or not applicable; for C6 no material difference too"),
    Column("statement", "string", "the claim in words"),
    Column(
        "evidence",
        "string",
        "what was measured, in words, and the reason where the verdict is cannot tell or not applicable for one",
    ),
    Column("low", "double", "95 % interval of the deciding figure"),
    Column("high", "double", "95 % interval of the deciding figure"),
    Column("n", "int64", "models behind the figure"),
    Column(
        "model",
        "string",
        "id of the model; null, as the next four, where the verdict is not on one arm in one pair of worlds",
    ),
    *PAIR[:3],
    Column("defence", "string", "id of the defence"),
)
SENSITIVITY = (
    *TASK,
    *PAIR[:3],
    Column(
        "ratio_mode", "string", "natural or label-balanced: whether the label rate moves with the ratio in this task"
    ),
    Column("defence", "string", "id of a fine-tuning defence"),
    Column("kind", "string", "its plugin"),
    Column(
        "control",
        "string",
        "id of the control that has the same settings without the EO term; null where there is none",
    ),
    Column("epochs", "int64", "epochs of fine-tuning"),
    Column("learning_rate", "double", "step size of fine-tuning"),
    Column("rehearsal", "double", "share of the fine-tuning rows that come from S_0"),
    Column(
        "eo_weight", "double", "lambda: as set, or its median over victims where it is chosen; 0 without an EO term"
    ),
    Column("eo_chosen", "bool", "lambda is chosen for each model (`auto`)"),
    Column("victims", "int64", "victims of both worlds, without those that diverged: the means are over these"),
    Column("splits", "int64", "pool splits"),
    Column("diverged", "int64", "victims that diverged"),
    Column("constant", "double", "share of victims that give one label to all"),
    Column("travel", "double", "mean distance of the weights from M_0's, relative to the norm of M_0's"),
    Column("model_accuracy", "double", "the models' mean accuracy on all rows of the query pool"),
    Column("model_accuracy_low", "double", "95 % interval, clustered by pool split"),
    Column("model_accuracy_high", "double", "95 % interval, clustered by pool split"),
    Column("delta_eo", "double", "mean plug-in Delta_EO"),
    Column(
        "delta_eo_crossed",
        "double",
        "mean Delta_EO, label and sign chosen on one half of the pool and measured on the other",
    ),
    Column("delta_eo_crossed_low", "double", "95 % interval, clustered by pool split"),
    Column("delta_eo_crossed_high", "double", "95 % interval, clustered by pool split"),
    Column("gap", "double", "mean |accuracy on records of world 0 - accuracy on records of world 1|"),
    Column("below_tau", "double", "share of victims whose |gap| is below tau"),
    Column("named", "double", "share of victims whose world the best informed adversary names"),
    Column("named_low", "double", "95 % interval, clustered by pool split"),
    Column("named_high", "double", "95 % interval, clustered by pool split"),
    Column("difference_vs_control", "double", "paired difference in that share from the control"),
    Column("difference_vs_control_low", "double", "95 % interval"),
    Column("difference_vs_control_high", "double", "95 % interval"),
    Column("p_vs_control", "double", "its p value"),
    Column("p_vs_control_holm", "double", "the same, Holm-corrected within the primary family of the table `leakage`"),
    Column("verdict_vs_control", "string", "the verdict on it in the table `leakage`"),
    Column(
        "c2",
        "string",
        "verdict of claim C2 on this defence and pair of worlds; null where the claim does not apply",
    ),
    Column("c3", "string", "claim C3 judged on the models of this row alone"),
    Column("c5", "string", "verdict of claim C5; null where the claim does not apply"),
    Column("c6", "string", "verdict of claim C6; null where the claim does not apply"),
    Column(
        "balanced_task",
        "string",
        "of a natural task: id of the same task with equal label rates; null where there is none",
    ),
    Column(
        "excess",
        "double",
        "difference_vs_control minus that in balanced_task: the part that disappears with equal label rates",
    ),
    Column("excess_low", "double", "95 % interval, from those of both differences"),
    Column("excess_high", "double", "95 % interval, from those of both differences"),
    Column("verdict_excess", "string", "lower or higher where that interval leaves out 0, else cannot tell"),
)
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
TABLES = {
    "models": MODELS, "scores": SCORES, "leakage": LEAKAGE, "bounds": BOUNDS, "claims": CLAIMS, "proxies": PROXIES,
    "estimates": ESTIMATES, "regression": REGRESSION, "confusion": CONFUSION, "placebo": PLACEBO,
    "sensitivity": SENSITIVITY,
}  # fmt: skip
MANY = ("estimates", "regression", "confusion")
"""Tables that are made only where a task has more than two worlds to tell apart (protocol k-ary)."""
PERMUTED = ("placebo",)
"""Tables that are made only where a task is run with its group column permuted (`placebo`)."""
SWEPT = ("sensitivity",)
"""Tables that are made only where a task has a fine-tuning defence at more than one setting."""
ON_REQUEST = {
    **dict.fromkeys(MANY, "worlds of protocol k-ary"),
    **dict.fromkeys(PERMUTED, "placebos"),
    **dict.fromkeys(SWEPT, "two settings of a fine-tuning defence"),
}
"""Tables that not every experiment has, and what a task must have for them."""


def table(name: str, parts: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return a public table from parts: mappings of column name to an array (K,) or to one value for the whole part.

    Columns that the table does not have are left out; floats that are not a number become null.
    """
    import numpy as np
    import pyarrow as pa

    from .arrays import arrow

    found = []
    for column in TABLES[name]:
        values = []
        for part in parts:
            size = max(len(value) for value in part.values() if isinstance(value, np.ndarray))
            value = part[column.name]
            values.append(value if isinstance(value, np.ndarray) else np.full(size, value))
        found.append(arrow(np.concatenate(values) if values else [], column.type))
    return pa.Table.from_arrays(found, names=[column.name for column in TABLES[name]])
