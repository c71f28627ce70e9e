"""Import paths that plugins use and that have moved stay for one version, with a warning."""

from __future__ import annotations

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("contracts", "testing.contracts", "check_attack"),
        ("settings", "core.settings", "Settings"),
        ("errors", "core.errors", "PopleakError"),
        ("seeds", "core.seeds", "derive"),
    ],
)
def test_an_old_name_is_the_new_one(old, new, name):
    sys.modules.pop(f"popleak.{old}", None)
    with pytest.warns(DeprecationWarning, match=rf"popleak\.{old} is popleak\.{new}: import that"):
        found = importlib.import_module(f"popleak.{old}")
    assert getattr(found, name) is getattr(importlib.import_module(f"popleak.{new}"), name)
