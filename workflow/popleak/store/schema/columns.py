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
