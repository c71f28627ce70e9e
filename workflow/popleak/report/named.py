"""The report's list of attacks and defences: what each name of the experiment stands for, in the words of the plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..core import plugins
from .words import capital, listed

if TYPE_CHECKING:
    import pandas as pd

Choice = Mapping[str, Any]


def entries(
    experiment: Mapping[str, Any],
    leakage: pd.DataFrame,
    controls: Mapping[str, Mapping[str, str]],
    kinds: Mapping[str, Mapping[str, str]],
) -> list[dict[str, Any]]:
    """Return the attacks and the defences, each with a title and its entries of a name and a text.

    experiment: the resolved config; leakage: public table, for the names where the config has none; controls, kinds: of each defence, by
    task. A plugin that this installation lacks has no entry.
    """
    of_defence = {name: kind for task in kinds.values() for name, kind in task.items()}
    controlled = {name: control for task in controls.values() for name, control in task.items()}
    return [
        {
            "title": kind.capitalize(),
            "entries": [
                _entry(kind, one, controlled)
                for one in _chosen(experiment, kind) or _of_table(leakage[column], of_defence)
                if plugins.find(kind, one["name"])
            ],
        }
        for kind, column in (("attacks", "adversary"), ("defences", "defence"))
    ]


def _chosen(experiment: Mapping[str, Any], kind: str) -> list[Choice]:
    """Return the choices of a config and of its tasks, each once, as they are met."""
    found: dict[str, Choice] = {}
    for given in (experiment, *(experiment.get("tasks") or ())):
        for one in given.get(kind) or ():
            found.setdefault(_name(one), one)
    return list(found.values())


def _of_table(names: Iterable[str], kinds: Mapping[str, str]) -> list[Choice]:
    return [{"id": name, "name": kinds.get(name, name)} for name in dict.fromkeys(names)]


def _name(choice: Choice) -> str:
    return str(choice.get("id") or choice["name"])


def _entry(kind: str, choice: Choice, controls: Mapping[str, str]) -> dict[str, str]:
    plugin, name = plugins.load(kind, choice["name"]), _name(choice)
    control = controls.get(name) or getattr(plugin, "control", None)
    said = [
        f"{capital(plugin.summary)}." if name == plugin.name else f"{plugin.name}: {plugin.summary}.",
        f"Settings: {listed(_settings(choice))}." if any(_settings(choice)) else "",
        f"Control: {control}." if control else "",
    ]
    return {"name": name, "text": " ".join(one for one in said if one)}


def _settings(choice: Choice) -> Iterator[str]:
    """Yield the settings of a choice that are not the default ones."""
    for key, value in (choice.get("settings") or {}).items():
        yield f"{key} {value}"
    for key, values in (choice.get("grid") or {}).items():
        yield f"{key} {', '.join(map(str, values))} in turn"
