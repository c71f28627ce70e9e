"""The tables of a search over the model axis (`popleak pareto`): no stage of a plan makes them.

Of what stage 1 measured they hold nothing but how far it was off: whoever picks the best of many noisy values picks luck too.
"""

from __future__ import annotations

from .columns import Column

LIMITS = "95 % interval, clustered by pool split; with one split over its models"


def _estimate(name: str, about: str) -> tuple[Column, ...]:
    return (
        Column(name, "double", about),
        Column(f"{name}_low", "double", LIMITS),
        Column(f"{name}_high", "double", LIMITS),
    )


SEARCH = (
    Column("task", "string", "id of the task"),
    Column(
        "role",
        "string",
        "front: from the front of a study; default: the default configuration; undefended: its base models, without a defence; curve: the "
        "default at another weight of the EO term; unselected: drawn at random among a random search's trials, by no value; transfer: what stage "
        "3 tried on the first searched task, on a task that was not searched",
    ),
    Column("sampler", "string", "of the study that tried it: tpe or random; null for default, undefended and curve"),
    Column("study_seed", "int64", "number of that study; null without one"),
    Column("trial", "int64", "number of the trial in that study; null without one"),
    Column(
        "point", "string", "name of the configuration, a digest of its values: equal names are equal configurations"
    ),
    Column(
        "settings",
        "string",
        "the configuration as JSON, a value for each axis; an axis that is not named has its default",
    ),
    Column(
        "stage",
        "int64",
        "2: on a pool split that stage 1 did not use; 3: on further pool splits. Never 1, on whose values studies chose. By values of stage 2 the "
        "fronts' configurations were chosen for stage 3, whose values are the results",
    ),
    Column("victims", "int64", "victims of both worlds, over all splits"),
    Column("splits", "int64", "pool splits"),
    *_estimate("accuracy", "mean accuracy of the victims on all rows of the query pool"),
    *_estimate("delta_eo", "mean plug-in Delta_EO, never below `delta_eo_floor` on average"),
    Column(
        "delta_eo_floor",
        "double",
        "what that mean would be, on as many rows, without any difference between the groups",
    ),
    *_estimate(
        "delta_eo_crossed",
        "mean Delta_EO with label and sign chosen on one half of the pool and measured on the other; 0 on average without a difference. This "
        "is what the search minimises",
    ),
    *_estimate("advantage", "advantage of the best informed adversary, TPR - FPR, as in the table `leakage`"),
    Column(
        "accuracy_floor",
        "double",
        "accuracy that a configuration must reach: the better constant answer's, and `above_constant`",
    ),
    Column("feasible", "bool", "whether the accuracy reaches it"),
    Column(
        "front",
        "bool",
        "whether in stage 2 no other configuration of the task's fronts, nor the default, was at least as good in all three and better in one, "
        "among those that reach the floor: a choice and no result",
    ),
    Column("constant", "double", "share of victims that give all records one label"),
    Column("diverged", "double", "share of victims that diverged"),
    Column("seconds_reference", "double", "CPU seconds that a released model costs, as in the table `defences`"),
    Column(
        "optimism_accuracy",
        "double",
        "by how much stage 1 looked better than stage 2, in accuracy; null but for fronts and unselected configurations in stage 2",
    ),
    Column("optimism_delta_eo", "double", "the same in `delta_eo_crossed`, positive where stage 1 looked fairer"),
    Column("optimism_advantage", "double", "the same in advantage, positive where stage 1 looked tighter"),
    Column("failure", "string", "why there are no values; null where there are"),
)

SEARCH_STUDIES = (
    Column("task", "string", "id of the task"),
    Column("sampler", "string", "tpe, or random with the same number of trials"),
    Column("study_seed", "int64", "number of the study; both samplers of a number see the same pool split"),
    Column("trials", "int64", "trials, failed ones included"),
    Column("distinct", "int64", "different configurations among them"),
    Column("failed", "int64", "trials without values"),
    Column("failures", "string", "which and why, by number of the trial; empty if none failed"),
    Column("infeasible", "int64", "trials below the accuracy floor"),
    Column("promoted", "int64", "configurations of its front that went to stage 2"),
    Column("lost", "int64", "of these, those that failed or missed the accuracy floor there"),
    Column(
        "hypervolume",
        "double",
        "share of the space of objectives that is dominated by what was promoted, as stage 2 measured it: from the accuracy floor to 1, from "
        "Delta_EO 0.5 to 0, from advantage 1 to 0",
    ),
    Column("replayed", "bool", "whether the study, begun anew with what its trials measured, proposed the same trials"),
)

SEARCH_CHECKS = (
    Column("check", "string", "C1 to C6"),
    Column("task", "string", "id of the task; null where a check is about all"),
    Column("subject", "string", "what within the check: an objective, or what a configuration is compared with"),
    Column("verdict", "string", "holds, fails, cannot tell or not applicable"),
    Column("statement", "string", "what is checked"),
    Column("evidence", "string", "what `value` is, and what decides"),
    Column("value", "double", "the figure that decides, or what was found of it"),
    Column("low", "double", "95 % interval, where it has one"),
    Column("high", "double", "95 % interval, where it has one"),
    Column("n", "int64", "units behind it"),
)

SEARCHED = {"search": SEARCH, "search_studies": SEARCH_STUDIES, "search_checks": SEARCH_CHECKS}
