"""The public tables `claims` and `proxies`."""

from __future__ import annotations

from .columns import PAIR, Column

PROXIES = (
    Column("proxy", "string", "a number that is cheaper to compute than the best informed adversary's advantage"),
    Column("scope", "string", "`all`, or the id of one task"),
    Column("cells", "int64", "number of cells: task x model x pair of worlds x defence"),
    Column("tasks", "int64", "number of tasks among them"),
    Column(
        "rank_correlation",
        "double",
        "Spearman's rank correlation with the best informed adversary's advantage, over the cells",
    ),
    Column("low", "double", "95 % interval"),
    Column("high", "double", "95 % interval"),
)

CLAIMS = (
    Column("claim", "string", "id of the claim in the file of its paper: C1 to C9, and C2s"),
    Column("task", "string", "id of the task, or `witness` for the claim that needs no data"),
    Column("verdict", "string", "holds, fails, cannot tell or not applicable; for C6 also no material difference"),
    Column("statement", "string", "the claim in words"),
    Column(
        "evidence",
        "string",
        "what was measured, in words; if the verdict is cannot tell or not applicable for a known reason, that reason",
    ),
    Column("low", "double", "95 % interval of the deciding figure"),
    Column("high", "double", "95 % interval of the deciding figure"),
    Column("n", "int64", "number of models behind the figure"),
    Column("kind", "string", "how the claim is judged (docs/claims.md)"),
    Column("source", "string", "paper: the paper claims it; ours: we add it"),
    Column("plain", "string", "the verdict in a paragraph for readers without statistics"),
    Column("splits", "int64", "pool splits behind the figure; null for the witness"),
    Column(
        "splits_needed",
        "int64",
        "number of pool splits, each with as many models as now, that would decide the claim with power 0.8 if the figures "
        "stay what they are; null unless the verdict is `cannot tell`, and if more models alone would not decide it",
    ),
    Column(
        "model",
        "string",
        "id of the model; null, as are the next three, unless the verdict is about one arm in one pair of worlds",
    ),
    *PAIR[:3],
    Column("defence", "string", "id of the defence, where the verdict is about one"),
    Column(
        "allowed",
        "double",
        "share of models that the certificate of the defence lets any adversary name; null unless `kind` is `certified`",
    ),
)
