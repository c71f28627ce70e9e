"""What each defence says it needs: access, rows as shares of S_0, and weights or answers."""

from __future__ import annotations

import pytest

from popleak.core import plugins
from popleak.defences._price import needs

KNOWN = {
    ("none", ()): ((0, 0, 0), ["M_0's weights"]),
    ("finetune", ()): ((0, 1, 0), ["M_0's weights", "rows of the other world"]),
    ("fft", (("eo_reference", "held-out"),)): ((0.1, 1, 0), ["M_0's weights", "rows of S_0", "rows of the other world"]),
    ("fft-rehearsal", ()): ((0.5, 0.5, 0), ["M_0's weights", "rows of S_0", "rows of the other world"]),
    ("fft-rehearsal", (("eo_reference", "rehearsal+batch"),)): (
        (1, 0.5, 0), ["M_0's weights", "rows of S_0", "rows of the other world"],
    ),
    ("rehearsal", (("rehearsal", 0.2), ("rows", 0.25))): (
        (0.05, 0.2, 0), ["M_0's weights", "rows of S_0", "rows of the other world"],
    ),
    ("scratch", ()): ((0.5, 0.5, 0), ["rows of S_0", "rows of the other world"]),
    ("label-noise", ()): ((1, 0, 0), ["rows of S_0"]),
    ("distillation", ()): ((0, 0, 1), ["M_0's answers", "public rows"]),
    ("answer-noise", ()): ((0, 0, 0), ["M_0's answers"]),
    ("threshold-optimizer", ()): (
        (0.1, 1, 0), ["M_0's answers", "rows of S_0", "rows of the other world", "the group of each query"],
    ),
    ("noisy-rehearsal", (("features", "public"),)): (
        (0.5, 0.5, 1), ["M_0's weights", "rows of S_0", "rows of the other world", "public rows"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("which", "expected"), KNOWN.items(), ids=lambda one: str(one[0]))
def test_what_a_defence_needs(which, expected):
    defence = plugins.load("defences", which[0])
    settings = defence.Settings.model_validate(dict(which[1]))
    found = defence.used(settings, 0.1)
    assert found == pytest.approx(expected[0])
    assert needs(defence, settings, found) == expected[1]
