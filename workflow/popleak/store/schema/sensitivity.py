"""The public table `sensitivity`."""

from __future__ import annotations

from .columns import PAIR, TASK, Column

SENSITIVITY = (
    *TASK,
    *PAIR[:3],
    Column(
        "ratio_mode", "string", "natural or label-balanced: whether the label rate varies with the ratio in this task"
    ),
    Column("defence", "string", "id of a fine-tuning defence"),
    Column("kind", "string", "name of its plugin"),
    Column(
        "control",
        "string",
        "id of the control: the same settings without the EO term; null if there is none",
    ),
    Column("epochs", "int64", "epochs of fine-tuning"),
    Column("learning_rate", "double", "learning rate of fine-tuning"),
    Column("rehearsal", "double", "share of the fine-tuning rows that come from S_0"),
    Column(
        "eo_weight",
        "double",
        "lambda as set, or its median over victims if it is chosen for each model; 0 without an EO term",
    ),
    Column("eo_chosen", "bool", "whether lambda is chosen for each model (`auto`)"),
    Column("victims", "int64", "number of victims of both worlds that did not diverge; the means are over these"),
    Column("splits", "int64", "pool splits"),
    Column("diverged", "int64", "number of victims that diverged"),
    Column("constant", "double", "share of victims that predict the same label for all rows"),
    Column(
        "travel", "double", "mean L2 distance of the weights from those of M_0, relative to the norm of those of M_0"
    ),
    Column("model_accuracy", "double", "mean accuracy of the models on all rows of the query pool"),
    Column("model_accuracy_low", "double", "95 % interval, clustered by pool split"),
    Column("model_accuracy_high", "double", "95 % interval, clustered by pool split"),
    Column("delta_eo", "double", "mean plug-in Delta_EO"),
    Column(
        "delta_eo_crossed",
        "double",
        "mean Delta_EO, with label and sign chosen on one half of the pool and measured on the other",
    ),
    Column("delta_eo_crossed_low", "double", "95 % interval, clustered by pool split"),
    Column("delta_eo_crossed_high", "double", "95 % interval, clustered by pool split"),
    Column("gap", "double", "mean |accuracy on records of world 0 - accuracy on records of world 1|"),
    Column("below_tau", "double", "share of victims whose |gap| is below tau"),
    Column("named", "double", "share of victims whose world the best informed adversary identifies"),
    Column("named_low", "double", "95 % interval, clustered by pool split"),
    Column("named_high", "double", "95 % interval, clustered by pool split"),
    Column("difference_vs_control", "double", "paired difference in that share from the control"),
    Column("difference_vs_control_low", "double", "95 % interval"),
    Column("difference_vs_control_high", "double", "95 % interval"),
    Column("p_vs_control", "double", "its p value"),
    Column("p_vs_control_holm", "double", "the same, Holm-corrected within the primary family of the table `leakage`"),
    Column("verdict_vs_control", "string", "the verdict on that difference in the table `leakage`"),
    Column(
        "c2",
        "string",
        "verdict of claim C2 on this defence and pair of worlds; null if the claim does not apply",
    ),
    Column("c3", "string", "verdict of claim C3 on the models of this row alone"),
    Column("c5", "string", "verdict of claim C5; null if the claim does not apply"),
    Column("c6", "string", "verdict of claim C6; null if the claim does not apply"),
    Column(
        "balanced_task",
        "string",
        "for a natural task: id of the same task with equal label rates; null if there is none",
    ),
    Column(
        "excess",
        "double",
        "difference_vs_control minus that in balanced_task: the part that disappears when label rates are equal",
    ),
    Column("excess_low", "double", "95 % interval, derived from those of both differences"),
    Column("excess_high", "double", "95 % interval, derived from those of both differences"),
    Column("verdict_excess", "string", "lower or higher if that interval excludes 0, else cannot tell"),
)
