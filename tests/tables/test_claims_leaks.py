"""Claims on what adversaries achieve: against the control, and against a certificate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import told
from claimed import FAILS, HOLDS, IDLE, OPEN, TASKS, judge, tables
from popleak.measures import paired, verdicts
from popleak.tables import claims
from popleak.tables._judges import leaks

pytestmark = pytest.mark.slow


def test_an_interval_without_0_that_decides_nothing_says_why():
    row = judge(difference=(0.05, 0.012, 0.088, OPEN)).set_index("claim").loc["C6"].iloc[0]
    assert (
        "The interval leaves out 0, but the difference is not significant after correction for 2 comparisons (p = 0.02)."
        in row["plain"]
    )
    assert "+1.2 to +8.8 points of accuracy" in row["plain"]
    row = judge(difference=(0.05, -0.012, 0.088, OPEN)).set_index("claim").loc["C6"].iloc[0]
    assert "leaves out 0" not in row["plain"]


def test_reasons_are_given():
    found = judge(difference=(0.0, np.nan, np.nan, IDLE), vacuous=1.0).set_index("claim")
    assert (
        found.loc["C6", "evidence"]
        .str.contains("models are those of (?:finetune|rehearsal): every EO term was vacuous")
        .all()
    )
    assert found.loc["C6", ["low", "high"]].isna().all(axis=None)
    assert found.loc["C5", "plain"].str.contains("the fairness term never acts on these models").all()
    assert not judge().set_index("claim").loc["C5", "plain"].str.contains("never acts").any()
    found = judge(difference=(0.05, 0.012, 0.088, OPEN)).set_index("claim").loc["C6"]
    assert (
        found["evidence"]
        .str.contains(
            r"0.050 \[0.012, 0.088\], twice that in advantage: 0.100 \[0.024, 0.176\]; test of no difference: p = 0.01, Holm-corrected 0.02;"
        )
        .all()
    )
    assert found["low"].tolist() == pytest.approx([0.024] * 2)
    assert found["evidence"].str.contains("test of equivalence, margin 0.05: p = 0.03, Holm-corrected 0.06").all()


def test_what_a_design_finds_is_said_beside_what_it_did_not():
    """80 victims in five splits that differ by nothing but their victims: as `popleak power` has it."""
    found = judge(difference=(0.05, 0.012, 0.088, OPEN)).set_index("claim").loc["C6"]
    least = paired.detectable(victims=80, splits=5, spread=paired.Spread(0.5, 0.0))
    assert (
        found["evidence"]
        .str.contains(f"found with power 0.8 before correction: {least:.3f}, in advantage {2 * least:.3f}")
        .all()
    )
    assert least > 0.1


def test_the_reason_is_the_tables():
    parts = tables(difference=(0.065, 0.01, 0.12, OPEN))
    parts["leakage"]["reason_vs_control"] = verdicts.UNTOLD
    found = (
        claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS))
        .to_pandas()
        .set_index("claim")
        .loc["C6"]
    )
    assert set(found["verdict"]) == {OPEN}
    assert found["evidence"].str.endswith("; cannot tell: neither is told from chance").all()
    assert found["splits_needed"].isna().all()
    assert (
        found["plain"]
        .str.contains("What stands in the way: neither accuracy is told from guessing, so that", regex=False)
        .all()
    )


def certify(accuracy: float, certificate: float = 0.0, victims: int = 1000, audit: float | None = None) -> pd.DataFrame:
    """Return what is said of a certificate of `scratch`. audit: accuracy of the worst case, if it was audited."""
    parts = tables()
    row = parts["leakage"].iloc[[0]].assign(
        defence="scratch", accuracy=accuracy, victims=victims, certified_advantage=certificate, verdict_vs_control=None
    )  # fmt: skip
    rows = [row]
    if audit is not None:
        rows.append(row.assign(adversary="audited", access="worst-case", knowledge="any", accuracy=audit))
    parts["leakage"] = pd.concat([parts["leakage"], *rows])
    parts["models"] = pd.concat(
        [parts["models"], parts["models"][parts["models"]["defence"] == "none"].assign(defence="scratch")]
    )
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    return found[found["claim"] == "C9"]


@pytest.mark.parametrize(
    ("accuracy", "victims", "certificate", "audit", "expected"),
    [
        (0.5, 1000, 0.0, None, HOLDS), (0.52, 200, 0.0, None, OPEN), (0.6, 1000, 0.0, None, FAILS), (0.6, 1000, 0.2, None, HOLDS),
        (0.44, 1000, 0.0, None, HOLDS), (0.5, 1000, 0.1, 0.55, HOLDS), (0.5, 1000, 0.1, 0.62, FAILS), (0.5, 1000, 0.1, 0.58, OPEN),
    ],
)  # fmt: skip
def test_a_certificate_is_held_to_what_adversaries_achieve(accuracy, victims, certificate, audit, expected):
    (row,) = certify(accuracy, certificate, victims, audit).to_dict("records")
    assert row["verdict"] == expected
    assert (row["splits_needed"] > 5) == (expected == OPEN)
    assert row["defence"] == "scratch" and row["allowed"] == (1 + certificate) / 2
    worst = max(accuracy, audit or 0)
    assert f"{certificate:g}" in row["statement"] and f"{100 * worst:.1f} %" in row["plain"]


def test_limits_are_exact_and_those_of_a_chosen_adversary_wider():
    (row,) = certify(0.5, 0.1, 1000, 0.55).to_dict("records")
    best, audit = (stats.binomtest(k, n).proportion_ci(0.95, method="exact") for k, n in ((500, 1000), (550, 1000)))
    assert row["high"] == pytest.approx(audit.high, abs=1e-9)
    assert row["low"] < best.low - 0.003, "the best adversary was chosen on other victims of the run"


def test_an_excess_is_corrected_for_all_comparisons():
    """p = 0.03 or so: an excess alone, and none among others that show nothing."""
    table = tables()["leakage"].iloc[[0]].assign(
        adversary="audited", access="worst-case", knowledge="any", task="t", accuracy=0.532, victims=1000, certified_advantage=0.0
    )  # fmt: skip
    alone = leaks.compared(table)
    among = leaks.compared(pd.concat([table, *[table.assign(accuracy=0.5, task=f"t{i}") for i in range(4)]]))
    assert alone["p_holm"].iloc[0] < 0.05 < among["p_holm"].iloc[0]
    assert alone["p"].iloc[0] == among["p"].iloc[0] == pytest.approx(stats.binom.sf(531, 1000, 0.5))


def test_no_certificate_no_claim():
    assert "C9" not in set(judge()["claim"])
    assert not len(certify(0.5, np.nan))


def test_what_is_undecided_says_how_many_splits_would_decide():
    undecided = judge(gap={"fft-rehearsal": 0.1}, noise=0.05, difference=(-0.05, -0.1, 0.04, "cannot tell"))
    row = undecided[(undecided["claim"] == "C6")].iloc[0]
    assert row["splits"] == 5 and row["splits_needed"] > 5
    assert f"about {row['splits_needed']:.0f} pool splits would decide it, where 5 were run" in row["plain"]
    told_ = undecided[undecided["verdict"] != OPEN]
    assert told_["splits_needed"].isna().all() and not told_["plain"].str.contains("would decide").any()
