"""The public tables on rows that generators release: `shares` and `samples`."""

from __future__ import annotations

from .columns import ADVERSARY, PAIR, TASK, Column

WHOSE = (
    Column("split", "int64", "pool split"),
    Column("ratio", "double", "P(a = 1) among the sharer's rows, or what else worlds of the protocol differ in"),
    Column("model_index", "int64", "number of the generator within task, generator, split and world"),
)
GENERATED = (
    TASK[0],
    Column("model", "string", "id of the generator"),
    Column("protocol", "string", "protocol of the worlds"),
    Column("ratios", "string", "the worlds' ratios, separated by spaces"),
)
SHARER = Column("defence", "string", "id of what the sharer does; `none`: it releases rows as the generator draws them")

SHARES = (
    *GENERATED, PAIR[3], SHARER, *ADVERSARY, *WHOSE,
    Column("samples", "int64", "rows of the generator that the adversary has"),
    Column("raw", "double", "the estimate of `ratio` before it is clipped: it may lie outside 0 to 1"),
    Column("estimate", "double", "the adversary's estimate of `ratio`, within 0 to 1"),
    Column("amplification", "double", "how many times an error of the share that is counted is an error of the estimate: 1 where the group is seen"),
    Column("width", "double", "half width of an interval of 95 % around `raw` from the number of samples alone (Hoeffding), times `amplification`; null where there is none"),
    Column("clipped", "bool", "whether the estimate was clipped, or nothing could be told: it then looks more exact than it is"),
    Column("finite", "bool", "whether the generator's training stayed finite"),
)  # fmt: skip

SAMPLES = (
    *GENERATED, SHARER, *WHOSE,
    Column("rows", "int64", "rows that the generator released"),
    Column("share", "double", "share of group 1 among them"),
    Column("label_rate", "double", "share of label 1 among them; null for more than two classes"),
    Column("information", "double", "I(S; Y) of group and label among them, in nats (plug-in)"),
    Column("information_own", "double", "the same among the sharer's rows"),
    Column("information_xy", "double", "a lower bound on I(X; Y) of features and label among the released rows, in nats (cross-fitted logistic regression); null where a label has fewer than two"),
    Column("information_xy_own", "double", "the same among the sharer's rows: a sharer that chose them meant to keep it as it was"),
    Column("dependence_p", "double", "p value of a permutation test that group and label of the released rows are independent: a receiver who refuses what depends refuses below 0.05"),
    Column("copied", "double", "share of released rows that equal one of the sharer's rows in every column, but for rounding; rows of the complement count as its own where it trained on them, here and below"),
    Column("copied_held_out", "double", "the same for as many held-out rows of the same labels and groups: what chance alone gives"),
    Column("distance", "double", "median distance of a released row to the nearest of the sharer's rows, in standardised features"),
    Column("distance_held_out", "double", "the same to the nearest of as many held-out rows of the same labels and groups"),
    Column("nearer", "double", "share of released rows that are nearer to a row of the sharer's than to a held-out one, ties counting one half: 1/2 where nothing was memorised"),
    Column("compared", "int64", "rows of the sharer's, and held-out rows, that distances and copies are counted against"),
    Column("outside", "double", "share of numbers that lie outside the range of the records' column"),
    Column("finite", "bool", "whether the generator's training stayed finite"),
)  # fmt: skip
