"""The public tables `scores` and `leakage`."""

from __future__ import annotations

from .columns import ADVERSARY, AUC, DEFENCE, NAMED, PAIR, TASK, WHO, WITH_BEST, Column

SCORES = (
    *TASK,
    *PAIR,
    DEFENCE,
    *ADVERSARY,
    *WHO,
    Column("score", "double", "evidence for world 1; the threshold is 0"),
    Column("guess", "int64", "0 or 1; -1 if the adversary abstains, which counts as a coin flip"),
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
    *NAMED,
    Column("advantage", "double", "TPR - FPR"),
    Column("advantage_low", "double", "95 % interval"),
    Column("advantage_high", "double", "95 % interval"),
    *AUC,
    Column(
        "tpr_at_fpr_05",
        "double",
        "TPR at FPR 0.05; null for `best`, as at 0.01, because its scores come from several attacks",
    ),
    Column(
        "tpr_at_fpr_01",
        "double",
        "TPR at FPR 0.01; with fewer than 100 victims of world 0, TPR without a false positive among them",
    ),
    Column(
        "n_leaked",
        "double",
        "number of direct samples of training data that would be worth as much. Null unless the worlds are ratio "
        "worlds; 0 if the accuracy is at most 1/2, even if it is below chance",
    ),
    Column(
        "detectable_advantage",
        "double",
        "smallest advantage that this many victims and splits detect with power 0.8 at level 0.05",
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
    Column("n_leaked_low", "double", "95 % interval, derived from that of the accuracy"),
    Column("n_leaked_high", "double", "95 % interval, derived from that of the accuracy; infinite if that reaches 1"),
    Column("tpr_at_fpr_05_low", "double", "95 % interval; it covers the estimation of the threshold"),
    Column("tpr_at_fpr_05_high", "double", "95 % interval; it covers the estimation of the threshold"),
    Column(
        "tpr_at_fpr_01_low",
        "double",
        "95 % interval; 0 if there are too few victims of world 0 for a lower limit (always below 100, mostly "
        "below 400)",
    ),
    Column("tpr_at_fpr_01_high", "double", "95 % interval"),
    Column("difference_vs_none", "double", "paired difference in accuracy from `none`"),
    Column("difference_vs_none_low", "double", "95 % interval"),
    Column("difference_vs_none_high", "double", "95 % interval"),
    Column(
        "diverged",
        "int64",
        "number of victims that diverged. In the accuracy they answer 0.5 to every query; paired differences "
        "exclude them and their counterparts. 0 if the adversary sees training rows and not the model",
    ),
    Column(
        "against_chance",
        "string",
        "above, below or cannot tell: on which side of 1/2 the accuracy's 95 % interval lies, if it excludes 1/2. "
        "2.5 % of rows are `below` by chance alone. If more are, the inverted answers are right that often",
    ),
    Column(
        "verdict_vs_control",
        "string",
        "the first that applies. not applicable: the models are the control's own, because every EO term was "
        "vacuous or because all measures and scores (other than those of aware shadows) are bit-identical; there "
        "are then no limits and no test. cannot tell: neither accuracy differs from chance. no material "
        "difference: p_equal_vs_control_holm is below 0.05. lower or higher: p_vs_control_holm is below 0.05. "
        "cannot tell: otherwise. Null if there is no control, and for reference lines",
    ),
    Column(
        "verdict_vs_none",
        "string",
        "the same for the difference from `none`; here only bit-identical results show that the models are the same",
    ),
    Column("dataset", "string", "the task's dataset"),
    Column("attribute", "string", "the task's sensitive attribute; for a user's own table, its column"),
    Column("rows", "int64", "rows that each model of the task draws"),
    Column("attribute_in_features", "bool", "whether the task's models see the attribute as an additional feature"),
    Column(
        "twin_task",
        "string",
        "id of the task that differs only in that its models do not see the attribute; null if this task's models "
        "do not see it, or if there is no such task",
    ),
    Column(
        "margin",
        "double",
        "smallest difference in accuracy that counts as material: the config's `margin`. In advantage it is twice "
        "as large",
    ),
    Column(
        "family",
        "string",
        "primary: the rows that claim C6 is about (`best`, informed, shadows of the victim's architecture, each "
        "query asked once, no poisoning, worlds that differ); secondary: all other rows. p values are corrected "
        "within each family, separately against the control and against `none`. Null for reference lines",
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
    Column(
        "certified_advantage",
        "double",
        "advantage that no adversary exceeds, by a theorem (docs/certificates.md): mean of the column of `models` over "
        "the victims. Null if one of them lacks it, and for adversaries who see more than the theorem is about: the base "
        "model, or the training rows",
    ),
)
