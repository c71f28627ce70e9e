"""Configs of generators that are refused before anything is planned, each in one line that says what to do."""

from __future__ import annotations

import pytest

import generated
from generated import RATIO, RECEIVER, SAMPLES, SMALL
from popleak.config import resolve as config
from popleak.core.errors import PopleakError

TASK = generated.raw()["tasks"][0]
POISONING = {"protocol": "fairness-poisoning", "ratios": [0, 0.3]}
CHAIN = {"name": "rehearsal", "settings": {"schedule": "cosine"}}


def receiver(**settings):
    return ["none", {"name": "synthetic", "settings": {"generator_settings": SMALL, **settings}}]


def resolved(**changes):
    return config.resolve(config.load(generated.raw(**changes)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": ["tabular-diffusion"]}, "models: 'tabular-diffusion' generates rows and answers no query: name it in `generators`"),
        ({"shadow_models": ["pixel-diffusion"]}, "shadow_models: 'pixel-diffusion' generates rows"),
        ({"generators": ["logistic"]}, "generators: 'logistic' answers queries and generates no rows: choose from pixel-diffusion, tabular-"),
        ({"sharers": ["none", "fft"]}, "sharers: 'fft' does not apply to generators: choose from finetune, fixed-prior, none"),
        ({"sharers": ["none", "synthetic"]}, "sharers: 'synthetic' does not apply to generators"),
        ({"sharers": ["rehearsal"]}, "sharers: `none` must be among"),
        ({"tasks": [{**TASK, "sharers": ["rehearsal"]}]}, "`none` must be among"),
        ({"defences": ["none", "fixed-prior"]}, "defences: 'fixed-prior' does not apply to classifiers: choose from"),
        ({"generators": []}, "worlds of protocol samples ask about rows that a generator releases: name one in `generators`"),
        ({"worlds": [RATIO], "attacks": ["kl"]}, "generators: nothing is asked about their rows: add worlds of protocol samples"),
        ({"worlds": [RATIO], "attacks": ["kl"], "generators": [], "sharers": ["none", "fixed-prior"]}, "sharers: no rows are released here: name"),
        ({"tasks": [{**TASK, "attribute_in_features": True}]}, "attribute_in_features: a generator's rows have the group in a column of their own"),
        ({"tasks": [{**TASK, "attribute_in_features": True}], "worlds": [RATIO], "attacks": ["kl"], "generators": [], "defences": ["none", RECEIVER]},
         "attribute_in_features: a generator's rows"),
        ({"samples": {"rows": 0}}, "samples.rows: input should be greater than or equal to 1 (found 0)"),
        ({"samples": {"labels": "odd"}}, "samples.labels: input should be 'own' or 'even'"),
        ({"samples": {"rows": 10}, "generators": [], "worlds": [RATIO], "attacks": ["kl"]}, "samples: no rows are released here"),
        ({"sharers": ["none", CHAIN]}, "sharers: 'rehearsal': schedule: a generator's step size has one of its own"),
        ({"defences": receiver(sharer="rehearsal", sharer_settings={"schedule": "cosine"})}, "defences: 'synthetic': sharer: schedule: a generator's"),
        ({"defences": receiver(sharer="fft")}, "sharer: 'fft' is none: choose from finetune, fixed-prior, none"),
        ({"defences": receiver(generator="mlp")}, "generator: 'mlp' is none: choose from pixel-diffusion, tabular-diffusion"),
        ({"defences": receiver(generator_settings={"widht": 8})}, "generator_settings.widht"),
        ({"worlds": [{"protocol": "samples"}, RATIO]}, "protocol samples needs ratios: [world 0, world 1, ...]"),
        ({"worlds": [{"protocol": "samples", "ratios": [0.5]}, RATIO]}, "protocol samples needs two or more ratios, rising"),
        ({"worlds": [{"protocol": "samples", "ratios": [0.5, 0.5]}, RATIO]}, "protocol samples needs two or more ratios, rising"),
        ({"worlds": [{**POISONING, "ratios": [0.3, 0.1]}]}, "protocol fairness-poisoning has two shares, rising"),
        ({"worlds": [{**POISONING, "ratios": [0, 0.1, 0.2]}]}, "protocol fairness-poisoning has two shares, rising"),
        ({"worlds": [{"protocol": "label-flipping"}]}, "protocol label-flipping needs ratios: [0, share of the sharer's rows"),
        ({"worlds": [{**POISONING, "ratios": [0, 1.2]}]}, "less than or equal to 1 (found 1.2)"),
    ],
)  # fmt: skip
def test_is_refused_in_one_line(changes, said):
    with pytest.raises(PopleakError) as error:
        resolved(**changes)
    assert said in str(error.value) and "\n" not in str(error.value) and str(error.value).startswith("config: ")


def test_tasks_have_generators_and_sharers_of_their_own():
    own = {"generators": ["tabular-diffusion"], "sharers": ["none", "resample"]}
    tasks = [
        TASK,
        {**TASK, "id": "other", **own},
        {**TASK, "id": "none", "generators": [], "sharers": ["none"], "worlds": [RATIO], "attacks": ["kl"]},
    ]
    usual, other, bare = resolved(tasks=tasks, sharers=["none", "fixed-prior"])
    assert [one.id for one in usual.sharers] == ["none", "fixed-prior"] and usual.generators[0].settings[
        "width"
    ] == SMALL["width"]
    assert [one.id for one in other.sharers] == ["none", "resample"] and other.generators[0].settings["width"] == 256
    assert bare.generators == () and [one.protocol for one in bare.worlds] == ["ratio"]


def test_samples_are_as_many_as_the_rows_by_default():
    (task,) = resolved()
    assert task.samples.rows is None and task.samples.labels == "own"
    assert task.worlds[0].protocol == SAMPLES["protocol"]
