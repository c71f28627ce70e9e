"""The end of a run waits for no timer."""

from __future__ import annotations

import threading

import yaml

import tiny
from popleak.stages import publish


def test_timers_are_cancelled_and_other_threads_are_not():
    timer, event = threading.Timer(3600, lambda: None), threading.Event()
    other = threading.Thread(target=event.wait)
    timer.start()
    other.start()
    publish.wait_no_more()
    timer.join(5)
    assert not timer.is_alive() and other.is_alive()
    event.set()
    other.join(5)


def test_both_ends_of_a_run_cancel_what_the_profile_lets_wait():
    profile = yaml.safe_load((tiny.ROOT / "workflow/profiles/default/profile.yaml").read_text(encoding="utf-8"))
    assert profile["max-jobs-per-timespan"] == "6000/60s"
    text = (tiny.ROOT / "workflow/Snakefile").read_text(encoding="utf-8")
    for end in ("onerror:", "onsuccess:"):
        assert text.split(f"\n{end}\n")[1].lstrip().startswith("popleak_publish.wait_no_more()")
