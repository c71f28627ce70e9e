"""The glossary: one source for docs/glossary.md and for the last section of the report."""

from __future__ import annotations

TERMS = (
    (
        "world",
        "One of the populations that the adversary tries to tell apart. Worlds differ in the ratio of the groups and in nothing else.",
    ),
    (
        "ratio",
        "The share of group 1 in a world, P(a = 1). `pure` worlds have the ratios 0 and 1.",
    ),
    (
        "victim",
        "A model whose training world the adversary tries to name. Each victim is trained on its own draw of rows.",
    ),
    (
        "shadow model",
        "A model that the adversary trains on its own data, in a world that it knows, to learn what to look for in a victim.",
    ),
    (
        "adversary",
        "An attack with what it sees of a victim (*access*: labels, scores, weights, base model or training rows) and what it knows of the defence (*knowledge*). An `informed` adversary trains its shadow models with the same defence and settings, an `unaware` one without a defence. `best` stands for the attack that did best on other pool splits.",
    ),
    (
        "membership",
        "Whether one row was among the training rows of a model. Attacks on rows answer it; attacks on worlds name the ratio.",
    ),
    (
        "candidate",
        "A row that is asked about in the question of membership: one of those that models of a split share, each in exactly half of them.",
    ),
    (
        "twins",
        "Two models that hold complementary halves of the candidates.",
    ),
    (
        "generator",
        "A model that draws new rows: here a diffusion model of a row and its group, given the label. It is trained on a draw as a classifier is.",
    ),
    (
        "sharer, receiver",
        "A sharer trains a generator on its rows and releases *samples*, rows drawn from it. A receiver has these alone, and trains its models on them. The adversary estimates from samples which share of the sharer's rows were of group 1.",
    ),
    (
        "student, teacher",
        "A student is trained on what another model, its teacher, says of some rows.",
    ),
    (
        "tau (of a student)",
        "How much of its teacher's membership leak a student keeps: (its AUC - 1/2) / (the teacher's AUC - 1/2).",
    ),
    (
        "query points",
        "The records on which the adversary asks for a model's answers. No model is trained on them.",
    ),
    (
        "pool split",
        "A random division of the dataset into a victim pool, an adversary pool and a query pool. Everything is repeated over several splits, and intervals are clustered by split.",
    ),
    (
        "advantage",
        "How much better than guessing an adversary is: true positive rate minus false positive rate, which is 2 x accuracy - 1. It is 0 at chance and 1 at best.",
    ),
    (
        "n_leaked",
        "How many records from the training distribution would tell the worlds apart as well as the attack does.",
    ),
    (
        "accuracy gap",
        "The difference between a model's accuracy on records of world 0 and of world 1. The paper calls a model safe if it is below `tau`.",
    ),
    (
        "Equalized Odds difference",
        "`Delta_EO`, a model's unfairness: the largest difference between the groups' true positive rates or false positive rates.",
    ),
    (
        "W",
        "How much the worlds differ among records of the same label: the total variation of the group given the label, averaged over the labels. 1 for `pure` worlds, 0 for worlds of the same population.",
    ),
    (
        "bound",
        "The most that a model's accuracy gap can be, given its Equalized Odds difference and `W`. The paper's form is `Delta_EO * W`.",
    ),
    (
        "coupling",
        "A way to draw a record of each world together so that they are the same as often as possible. The coupling form of the bound follows from how often they differ, and limits what a model's answer and the label of one record give away.",
    ),
    (
        "certificate",
        "A theorem on a defence: the most that any adversary can achieve against it, whatever it does. `scratch` with half of its rows from rehearsal has one: advantage 0. Its conditions are checked for each model.",
    ),
    (
        "fair fine-tuning",
        "`fft`: training a model further, on rows of the other world, with a penalty on Equalized Odds differences of weight *lambda*.",
    ),
    (
        "complement",
        "The rows of the other world that a defence trains on. None of them is among the model's own training rows.",
    ),
    (
        "rehearsal",
        "Mixing some of the model's own training rows into the fine-tuning rows.",
    ),
    (
        "control",
        "The same defence without the fairness term: same rows, same initial weights, same order of batches. What both achieve is not due to fairness.",
    ),
    (
        "placebo",
        "The same task with the group column permuted, so that the groups do not differ. What an adversary still reads comes from the finite table.",
    ),
    (
        "Holm's correction",
        "Raises p values so that the chance of any false finding within a family of tests stays below 5 %.",
    ),
    (
        "equivalence margin",
        "`margin`, the smallest difference that counts as material. A difference shown to be smaller has the verdict `no material difference`.",
    ),
)
"""Pairs of term and meaning, with Markdown's `code` and *emphasis*."""
