"""The public table `defences`."""

from __future__ import annotations

from .columns import DEFENCE, PAIR, TASK, Column


def _estimate(name: str, about: str) -> tuple[Column, ...]:
    interval = "95 % interval, clustered by pool split"
    return (
        Column(name, "double", about),
        Column(f"{name}_low", "double", interval),
        Column(f"{name}_high", "double", interval),
    )


DEFENCES = (
    *TASK,
    *PAIR,
    DEFENCE,
    Column("kind", "string", "name of the defence's plugin"),
    Column(
        "control",
        "string",
        "id of the defence that differs in the fairness term alone (an EO term, or an adversary that reads the group); null if there is none",
    ),
    Column("settings", "string", "the defence's settings as JSON, those inherited from the training filled in"),
    Column("victims", "int64", "victims of both worlds; measures of models are means over those that did not diverge"),
    Column("splits", "int64", "pool splits"),
    *_estimate(
        "statistic_advantage",
        "advantage of the attack that decides as the paper does (accuracy-gap), from the table `leakage`; null if it was not run",
    ),
    Column("gap", "double", "mean |accuracy on records of world 0 - accuracy on records of world 1|"),
    *_estimate(
        "unaware_advantage",
        "advantage of `best` in the table `leakage` with undefended shadows; for `none`, whose shadows are undefended "
        "in any case, that of the informed one",
    ),
    *_estimate(
        "informed_advantage", "advantage of `best` in the table `leakage` with shadows of the same defence and settings"
    ),
    Column(
        "uncertified",
        "int64",
        "defences of this pair of worlds whose certified advantage is null or above 0.05: so many are judged by the informed `best` on the same victims",
    ),
    Column(
        "informed_advantage_low_all",
        "double",
        "limit of the interval of `informed_advantage` at the level 1 - 0.05 / `uncertified`: with these limits the intervals of all such defences hold "
        "together in 95 % of cases (Bonferroni), also that of one that is picked for its interval",
    ),
    Column("informed_advantage_high_all", "double", "the other limit"),
    Column("against_chance", "string", "verdict on the informed `best` against chance, from the table `leakage`"),
    Column(
        "repeats",
        "int64",
        "how many times the adversaries of this row ask each query: the largest number in the table `leakage`",
    ),
    *_estimate(
        "difference_vs_none",
        "paired difference to `none` in the accuracy of the informed `best`, from the table `leakage`",
    ),
    Column("verdict_vs_none", "string", "verdict on that difference, from the table `leakage`"),
    Column("verdict_vs_control", "string", "verdict on the difference to the control, from the table `leakage`"),
    Column(
        "certified_advantage", "double", "advantage that no adversary exceeds, by a theorem; null if a victim lacks it"
    ),
    *_estimate("accuracy", "mean accuracy of the models on all rows of the query pool"),
    *_estimate(
        "accuracy_vs_none", "mean paired difference in that accuracy to the undefended models of the same draws"
    ),
    Column("auc", "double", "mean AUC of the models' scores"),
    *_estimate("worst_group", "mean over victims of the lower of both groups' accuracies"),
    *(
        Column(f"accuracy_y{y}_g{a}", "double", f"mean accuracy on the rows of label {y} and group {a}")
        for y in (0, 1)
        for a in (0, 1)
    ),
    *_estimate("delta_eo", "mean plug-in Delta_EO; see `delta_eo_floor` of the table `models`"),
    Column(
        "delta_eo_floor",
        "double",
        "what that mean would be, on as many rows, without any difference between the groups",
    ),
    *_estimate(
        "delta_eo_crossed",
        "mean Delta_EO with label and sign chosen on one half of the pool and measured on the other; 0 on average without a difference",
    ),
    Column("dp_difference", "double", "mean difference between the groups' rates of positive predictions"),
    *_estimate(
        "membership_auc",
        "mean `membership_auc` of the table `models`: whether the release gives away which rows of S_0 M_0 was trained on; 0.5: not by its losses on "
        "average. It says nothing of rows from elsewhere: a defence that trains on fewer rows of S_0, on rows of the other world or on public rows may "
        "give away those instead, so 0.5 does not mean that single rows are private",
    ),
    Column(
        "membership_advantage",
        "double",
        "mean `membership_advantage` of the table `models`, whose members are those of `membership_auc`",
    ),
    Column(
        "access",
        "string",
        "who can apply the defence. training: only whoever trains the model, as it changes that training or takes its place; post-hoc: also "
        "whoever holds the trained M_0 and the rows that it `needs`, as it starts from M_0 or its answers. Not what the adversary sees; null for `none`",
    ),
    Column("needs", "string", "what whoever applies it must have"),
    Column("rows_own", "double", "different rows of S_0 that it trains or fits on, at most, as a share of S_0"),
    Column(
        "rows_complement",
        "double",
        "rows of the other world that it trains or fits on, as a share of the number of rows of S_0",
    ),
    Column("rows_public", "double", "public rows that it trains or fits on, as a share of the number of rows of S_0"),
    Column(
        "seconds_reference",
        "double",
        "CPU seconds that a released model costs: the defence, and before it the training of M_0 where it starts from M_0. Computed from the "
        "settings for a reference core, with the cost model of the plan; a measured time would differ from run to run",
    ),
    Column("seconds_base", "double", "CPU seconds of the training of M_0, computed likewise"),
    Column("diverged", "double", "share of victims that diverged"),
    Column("constant", "double", "share of victims that predict the same label for all rows"),
    Column(
        "sd_accuracy",
        "double",
        "standard deviation over pool splits of the models' mean accuracy; null for a single split",
    ),
    Column(
        "sd_advantage",
        "double",
        "standard deviation over pool splits of the informed `best`'s advantage, which a split's few victims raise; null for a single split",
    ),
)
