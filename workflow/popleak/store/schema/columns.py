"""A column of a public table, and those that several tables share."""

from __future__ import annotations

from typing import NamedTuple


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
        "protocol",
        "string",
        "pure, ratio or equal (called null in earlier versions), or the protocol of another question",
    ),
    Column("ratio_0", "double", "P(a = 1) in world 0, or whatever else distinguishes the worlds of the protocol"),
    Column("ratio_1", "double", "the same for world 1"),
    Column("poison", "double", "share of each draw's rows that the adversary inserted with flipped labels"),
)

DEFENCE = Column("defence", "string", "id of the defence; `none` is the undefended model")

WHO = (
    Column("split", "int64", "pool split"),
    Column("world", "int64", "world in which the base model was trained; it sets the direction of FFt"),
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
        "what the adversary sees of the victim: labels, scores, weights, pair (the base model's scores too), rows "
        "(the training rows), or the name of another access",
    ),
    Column(
        "knowledge",
        "string",
        "unaware (undefended shadows), aware (shadows with the same defence at its default settings, if the "
        "victim's settings differ), informed (same defence and settings; the only one for undefended victims), any"
        " (no shadows used)",
    ),
    Column("shadow_model", "string", "id of the shadows' architecture; the victim's own unless stated otherwise"),
    Column("repeats", "int64", "how many times each query is asked; above 1 only if a defence answers at random"),
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
    "for more than two classes: number of (y, a) cells of the pool with fewer than 30 rows; their labels are "
    "excluded from `delta_eo`, `gap` and the bound. Null for two classes",
)

NAMED = (
    Column("victims", "int64", "victims judged, both worlds"),
    Column("splits", "int64", "pool splits"),
    Column("accuracy", "double", "share of victims whose world was named, an abstention counting one half"),
    Column("accuracy_low", "double", "95 % interval, clustered by pool split"),
    Column("accuracy_high", "double", "95 % interval, clustered by pool split"),
)
AUC = (
    Column("auc", "double", "area under the adversary's ROC curve, mean over pool splits"),
    Column("auc_low", "double", "95 % interval"),
    Column("auc_high", "double", "95 % interval"),
)
