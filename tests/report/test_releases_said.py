"""What is said of an adversary who sees all releases of an owner."""

from __future__ import annotations

import pandas as pd

import fake_tables
from popleak.report import findings


def leakage(*adversaries: str) -> pd.DataFrame:
    """Return made-up rows in which `meta` and others stand for attacks on one model and on all of an owner's."""
    frame = fake_tables.tables(full=True)["leakage"]
    named = {"meta": "lda", "pair": "releases"}
    frame = frame[frame["adversary"].isin([one for one, name in named.items() if name in adversaries])].copy()
    frame["access"] = frame["access"].replace("pair", "releases")
    return frame.assign(adversary=frame["adversary"].replace(named))


def test_all_releases_beside_one():
    frame = leakage("lda", "releases")
    (said,) = [
        line for line in findings._given_all_releases(frame, "fft-rehearsal", False) if "under fft-rehearsal" in line
    ]
    rows = frame[
        (frame["defence"] == "fft-rehearsal") & (frame["protocol"] == "pure") & (frame["knowledge"] == "informed")
    ]
    plain = rows[(rows["poison"] == 0) & (rows["shadow_model"] == rows["model"]) & (rows["repeats"] == 1)]
    for adversary, words in (("releases", said.split(";")[0]), ("lda", said.split(";")[1])):
        for row in plain[plain["adversary"] == adversary].to_dict("records"):
            assert f"{100 * row['accuracy']:.1f}\u00a0% on {row['task']}" in words


def test_without_such_an_adversary_nothing_is_said():
    assert findings._given_all_releases(leakage("lda"), "fft-rehearsal", False) == []
