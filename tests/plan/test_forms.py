"""What the plan refuses, in one line, of records of several classes or of a shape of their own."""

from __future__ import annotations

import pytest

import tiny
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.plan import cost, estimate, forms

FOUR = {"id": "four", "dataset": "synthetic-classes", "rows": 60, "query_rows": 30, "options": {"rows": 800}}
IMAGE = {"id": "image", "dataset": "synthetic-images", "rows": 60, "query_rows": 30, "options": {"rows": 800}}
PLAIN = {"id": "plain", "dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 800}}
CNN = [{"name": "cnn"}]


def refused(task, message, **changes):
    with pytest.raises(PopleakError, match=message) as caught:
        tiny.build(tasks=[task], **changes)
    assert "\n" not in str(caught.value) and f"tasks: {task['id']}: " in str(caught.value)


@pytest.mark.parametrize("name", [n for n in plugins.names("attacks") if plugins.load("attacks", n).classes == 2])
def test_an_attack_on_two_classes_is_refused(name):
    refused(
        FOUR,
        f"attack '{name}' is for labels of two classes, and that of dataset synthetic-classes has 4: leave it out, or give",
        attacks=["kl", name], access=list(plugins.names("access")),
    )  # fmt: skip


@pytest.mark.parametrize("name", [n for n in plugins.names("defences") if plugins.load("defences", n).classes == 2])
def test_a_defence_on_two_classes_is_refused(name):
    refused(FOUR, f"defence '{name}' is for labels of two classes", defences=["none", name])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratio_mode": "label-balanced"}, "ratio_mode: label-balanced is for labels of two classes.*: choose natural"),
        ({"poison": {"shares": [0.0, 0.01]}}, "poison, which flips labels, is for labels of two classes"),
        (
            {"defences": ["none", {"name": "fft", "settings": {"eo_weight": "auto"}}]},
            "eo_weight: auto of defence 'fft' is for labels of two classes.*: give it a number",
        ),
        (
            {"defences": ["none", {"name": "last-layer", "settings": {"criterion": "equal-opportunity"}}]},
            "criterion: equal-opportunity of defence 'last-layer' is for labels of two classes.*: choose another",
        ),
        ({"models": ["prior"], "defences": ["none"]}, "model 'prior': model prior: it tells 2 classes apart, and the label has 4"),
    ],
)  # fmt: skip
def test_what_is_of_two_classes_is_refused(changes, message):
    refused(FOUR, message, **changes)


@pytest.mark.parametrize(
    ("task", "models", "message"),
    [
        (PLAIN, CNN, "model 'cnn': model cnn: its input is 1 x 3 x 3, and a record is a row of 13 features: choose another model"),
        (
            {**FOUR, "options": {"rows": 800, "features": 8}}, [{"name": "cnn", "settings": {"image": [2, 2, 2], "channels": [4]}}],
            "model 'cnn': model cnn: its input is 2 x 2 x 2, and a record is a row of 8 features: choose another model or dataset",
        ),
        (
            IMAGE, [{"name": "cnn", "settings": {"image": [4, 6, 6]}}],
            "model 'cnn': model cnn: its input is 4 x 6 x 6, and a record is 1 x 12 x 12: choose",
        ),
        (IMAGE, [{"name": "cnn", "settings": {"channels": [2, 2, 2, 2]}}], "4 blocks need images of 16 x 16 or more: give fewer"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_take_the_records_is_refused(task, models, message):
    refused(task, message, models=models)


def test_an_image_has_no_column_for_the_attribute():
    refused(
        {**IMAGE, "attribute_in_features": True},
        "attribute_in_features: a record of dataset synthetic-images is 1 x 12 x 12 numbers",
    )


def test_a_task_of_images_takes_rows_too():
    """A model of rows reads an image as its numbers; one of images is told its shape; costs count all of them."""
    plan = tiny.build(tasks=[{**IMAGE, "models": [*CNN, "mlp"]}, FOUR], attacks=["kl"])
    image, four = map(forms.of_task, config.resolve(plan.experiment))
    assert image == (2, (1, 12, 12), 144) and image.outputs == 1
    assert four == (4, (8,), 8) and four.outputs == 4
    assert estimate.slower(plan) == {("more than two classes", cost.CHAIN): ["mlp"]}, (
        "the compiled loops hold convolutions"
    )
