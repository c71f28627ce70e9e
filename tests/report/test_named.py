"""The report's list of attacks and defences."""

from __future__ import annotations

import fake_tables
from popleak.core import plugins
from popleak.report import named, words


def test_the_config_says_what_a_name_stands_for():
    """What a task replaces is listed too, and what is not installed is left out."""
    experiment = {
        "attacks": [
            {"id": None, "name": "kl"},
            {"id": "kl-vote", "name": "kl", "settings": {"aggregate": "vote"}},
            {"id": None, "name": "theirs"},
        ],
        "tasks": [{"defences": [{"name": "fft", "grid": {"eo_weight": [0.1, 1.0]}}]}, {"defences": None}],
    }
    attacks, defences = named.entries(experiment, fake_tables.empty()["leakage"], {}, {})
    kl = plugins.load("attacks", "kl").summary
    assert attacks["entries"] == [
        {"name": "kl", "text": f"{words.capital(kl)}."},
        {"name": "kl-vote", "text": f"kl: {kl}. Settings: aggregate vote."},
    ]
    (fft,) = defences["entries"]
    assert fft["text"].endswith("Settings: eo_weight 0.1, 1.0 in turn. Control: finetune.")
