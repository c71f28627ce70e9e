"""What the tests of users' own tables share: writing one, and loading it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from popleak.core import plugins
from popleak.datasets._meaning import Findings
from popleak.datasets.base import Records

LOANS = {"label": "repaid", "positive": "yes", "attribute": "sex", "groups": ["male", "female"]}


def lines(*records: str, header: str = "age,sex,job,repaid") -> str:
    return "\n".join([header, *records]) + "\n"


def put(folder: Path, text: str | bytes, name: str = "loans.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def people(count: int = 200, **columns: Sequence | Iterable) -> str:
    """Return a made-up table as text; each column a list, or a function of the row's number."""
    base = {
        "age": lambda i: 20 + 7 * i % 41,
        "sex": lambda i: "male" if i % 5 > 1 else "female",
        "job": lambda i: "abc"[i // 5 % 3],
        "repaid": lambda i: "yes" if i * i % 7 < 3 else "no",
    }
    made = {
        name: [column(i) for i in range(count)] if callable(column) else list(column)
        for name, column in {**base, **columns}.items()
    }
    return lines(*(",".join(map(str, row)) for row in zip(*made.values(), strict=True)), header=",".join(made))


def plugin_and_options(path: Path, **options):
    plugin = plugins.load("datasets", "table")
    return plugin, plugin.Settings.model_validate({"path": str(path), **LOANS, **options})


def load(path: Path, **options) -> Records:
    plugin, chosen = plugin_and_options(path, **options)
    return plugin.load(files={chosen.path: path}, label="custom", attribute="custom", options=chosen, seed=0)


def examine(path: Path, **options) -> Findings:
    plugin, chosen = plugin_and_options(path, **options)
    return plugin.examine(files={chosen.path: path}, options=chosen)[0]
