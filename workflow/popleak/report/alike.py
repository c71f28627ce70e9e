"""Tasks whose group is a random bit by what the config says of them, so that nothing beside the group can tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import resolve
from ..core import plugins

SHIFTED, TWINS = "synthetic", "synthetic-twin"
"""Datasets of which the config says how far the groups are apart: by settings, and not at all."""


def tasks(experiment: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the tasks of a config, as pages have it, whose groups differ in nothing."""
    found = set()
    for task in experiment.get("tasks") or ():
        name = str(task.get("dataset", "")).replace("_", "-")
        if name in (SHIFTED, TWINS):
            plugin = plugins.load("datasets", name)
            if name == TWINS or _same(plugin.Settings.model_validate(task.get("options") or {})):
                found.add(resolve.task_id(task))
    return frozenset(found)


def _same(options: Any) -> bool:
    """Return whether both groups have one law under these options of SHIFTED."""
    apart = (options.shift, options.cell_shift, options.proxies * options.proxy_strength)
    return not any(apart) and len(set(options.label_rates)) == 1
