"""The public tables about single rows: `membership`, its victims one by one, and the ROC curves."""

from __future__ import annotations

from .columns import ADVERSARY, DEFENCE, PAIR, TASK, Column

CI = "95 % interval, clustered by pair of models with complementary halves, with what they owe to shared shadows"


def _with_limits(name: str, about: str, limits: str = CI, *, p: str = "") -> tuple[Column, ...]:
    return (
        Column(name, "double", about),
        *(Column(f"{name}{end}", "double", limits) for end in ("_low", "_high")),
        *((Column(f"{name}_p", "double", p),) if p else ()),
    )


def _rate(word: str, wanted: str) -> tuple[Column, ...]:
    return (
        *_with_limits(
            f"tpr_{word}",
            f"share of members named, at thresholds above which {wanted} of the non-members of other models lie, scored without the "
            f"victim; null where fewer than {wanted} could be told, and in rows of a cell",
        ),
        *_with_limits(f"fpr_{word}", "share of non-members named at these thresholds"),
        *_with_limits(
            f"ppv_{word}", "share of members among the rows named, if 1 % of the rows asked about are members"
        ),
        *_with_limits(
            f"pooled_tpr_{word}",
            f"share of members named at a false positive rate of {wanted} on the ROC curve of all trials, whose threshold no adversary knows",
        ),
        Column(
            f"resolution_{word}",
            "double",
            "one over the non-members that a threshold was made of: no rate below it can be told; null without thresholds, below 8 models",
        ),
    )


PART = Column(
    "part",
    "string",
    "which candidates: all; cell, those of a label and a group; targets, the first 50 of 200 or more, at which the poisoner of membership-poisoned aims; none of membership-unseen",
)
GAME = (
    *TASK,
    Column("protocol", "string", "membership; membership-unseen, of rows that no model was trained on, so that the truth is 1/2; membership-poisoned, where every "
        "model was also trained on 8 copies of each target with the label flipped"),
    Column("ratio", "double", "P(a = 1) in the training rows"),
    PAIR[3], DEFENCE, *ADVERSARY,
)  # fmt: skip

MEMBERSHIP = (
    *GAME, PART,
    Column("label", "int64", "label of the candidates in this row; -1: of all labels"),
    Column("group", "int64", "group of the candidates in this row; -1: of all groups"),
    Column("victims", "int64", "models, each of which holds half of the candidates"),
    Column("splits", "int64", "pool splits, each with candidates of its own"),
    Column("shadows", "int64", "shadows on each side of a candidate: those that hold it, and as many that do not; 0 for an attack without shadows"),
    Column("members", "int64", "trials of a model and a candidate that it holds"),
    Column("non_members", "int64", "trials of a model and a candidate that it does not hold"),
    *_with_limits("auc", "probability that a member scores above a non-member of the same model, mean over models"),
    Column("against_chance", "string", "above, below or cannot tell: on which side of 1/2 the interval of the AUC lies, if it excludes it"),
    *_with_limits(
        "auc_like", "in rows of a part, the mean AUC of as many candidates of all kinds", "between these lie 95 % of samples of that size",
        p="share of samples whose AUC is as far from their mean as the part's; null for several splits",
    ),
    Column("compared_with", "string", "defence of the same models that the next columns compare with: the teacher of a student, the control of a defence, or none"),
    *_with_limits("auc_vs", "AUC less that of the other defence, of the same models", p="p value of no difference"),
    *_with_limits("tau", "(AUC - 1/2) over that of the other defence: how much of its leak is left; null where that leak is not shown"),
    *(column for word, wanted in (("01", "1 %"), ("001", "0.1 %")) for column in _rate(word, wanted)),
    Column("epsilon_low", "double", "95 % lower limit of epsilon of replacing one row, from TPR and FPR at thresholds from other models; 0 where nothing is shown; "
        "an epsilon of adding or removing a row, as DP-SGD states, counts twice here"),
    Column("diverged", "double", "share of victims that diverged, which say 1/2 of every row"),
)  # fmt: skip

MEMBERSHIP_VICTIMS = (
    *GAME,
    Column("split", "int64", "pool split"),
    Column("model_index", "int64", "number of the victim in its split; 2j and 2j + 1 hold complementary halves; the same draw under every defence"),
    Column("auc", "double", "probability that a member scores above a non-member of this victim, of all candidates"),
)  # fmt: skip
MEMBERSHIP_ROC = (
    *GAME,
    Column("fpr", "double", "false positive rate, over all victims' trials as one"),
    *_with_limits("tpr", "share of members named at this rate, whose threshold no adversary knows"),
)

TRIALS = tuple(
    {column.name: column for table in (MEMBERSHIP, MEMBERSHIP_VICTIMS, MEMBERSHIP_ROC) for column in table}.values()
)
"""What the stage `attack` writes: the rows of all three tables, `part` telling which; null where a row's table lacks the column."""
