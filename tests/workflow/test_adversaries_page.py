"""The page on what adversaries add: its numbers are those of the committed tables."""

from __future__ import annotations

import pandas as pd

import adversaries
import tiny


def test_the_page_has_the_numbers_of_the_committed_tables():
    text = (tiny.ROOT / adversaries.PAGE).read_text(encoding="utf-8")
    inside = text.split(adversaries.BEGIN)[1].split(adversaries.END)[0].strip()
    assert inside == adversaries.block(tiny.ROOT / adversaries.FOLDER).strip(), "python benchmarks/adversaries.py"


def test_cells_are_put_together_and_counted():
    frame = pd.DataFrame({
        "adversary": ["kl", "kl", "meta"], "accuracy_before": [0.5, 0.6, 0.7], "accuracy_after": [0.6, 0.6, 0.6],
        "allowed_before": [0.6, 0.6, 0.7], "allowed_after": [0.6, 0.6, 0.65], "difference": [0.1, 0.0, -0.1],
        "low": [0.05, -0.1, -0.2], "high": [0.15, 0.1, -0.01], "p": [0.001, 1.0, 0.03],
    })  # fmt: skip
    _, _, kl, meta = adversaries.summary(frame, "threshold", ["adversary"]).splitlines()
    assert kl == "| `kl` | 2 | 55.0 | 60.0 | +5.00 (+0.0 to +10.0) | 1 | 0 | +5.0 | +0.0 |"
    assert meta == "| `meta` | 1 | 70.0 | 60.0 | -10.00 (-10.0 to -10.0) | 0 | 1 | +0.0 | +5.0 |"
    assert "in 3 cells; after Holm's correction it rises in 1 and falls in 0" in adversaries.said(frame, "threshold")


def test_a_part_that_was_not_measured_says_so(tmp_path):
    assert adversaries.block(tmp_path).count("Not measured yet.") == len(adversaries.PARTS)
