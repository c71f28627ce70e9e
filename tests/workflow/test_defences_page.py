"""The page on what the defences are worth: its numbers are those of the committed tables."""

from __future__ import annotations

import pandas as pd

import defences_page as defences
import tiny


def test_the_page_has_the_numbers_of_the_committed_tables():
    text = (tiny.ROOT / defences.PAGE).read_text(encoding="utf-8")
    inside = text.split(defences.BEGIN)[1].split(defences.END)[0].strip()
    assert inside == defences.block(tiny.ROOT / defences.FOLDER.parent).strip(), "python benchmarks/defences_page.py"


def test_verdicts_are_counted_by_task_and_those_that_fail_are_named():
    common = {"protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "low": 0.1, "high": 0.2}
    table = pd.DataFrame([
        {"claim": "C6", "task": "a", "verdict": "holds", "defence": "fft", **common},
        {"claim": "C6", "task": "a", "verdict": "fails", "defence": "fft-rehearsal", **common},
        {"claim": "C9", "task": "a", "verdict": "holds", "defence": "scratch", **common},
        {"claim": "C1", "task": "a", "verdict": "fails", "defence": "fft", **common},
    ])  # fmt: skip
    text = defences.claims({"defences/claims.csv": table})
    assert "| C6 | a | 2 | 1 | 1 |" in text and "| C9 | a | 1 | 1 |  |" in text
    assert (
        "- C6 fails for fft-rehearsal on a (pure: 0 vs 1: 0.100 to 0.200).\n- C6 holds for fft on a (pure: 0 vs 1"
        in text
    )
    assert "- C9 fails nowhere.\n- C9 holds for scratch" in text and "is open" not in text


def test_the_most_accurate_attack_is_named_for_the_null_too():
    rows = [
        ("rehearsal", question, chance, attack, accuracy, accuracy - 0.05)
        for question, chance, attack, accuracy in (
            ("all", 0.25, "kl", 0.5), ("all", 0.25, "meta", 0.4), ("equal", 0.5, "kl", 0.5), ("equal", 0.5, "meta", 0.54),
        )
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["defence", "question", "chance", "adversary", "accuracy", "low"])
    text = defences.instead({"benchmarks/fine_tuning_ratio.csv": table})
    assert "| `rehearsal` | which of four shares | 1 | `kl` | 25 | 50.0 (50.0 to 50.0) | 1 of 1 |" in text
    assert "(null) | 1 | `meta` | 50 | 54.0 (54.0 to 54.0) | 0 of 1 |" in text


def test_a_part_that_was_not_measured_says_so(tmp_path):
    assert defences.block(tmp_path).count("Not measured yet.") == len(defences.PARTS)
