"""`import popleak`: names that are there when they are asked for, and nothing before."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import popleak
import tiny
from popleak.core import plugins, provenance

HEAVY = ("numpy", "pandas", "pyarrow", "pydantic", "scipy", "sklearn", "torch", "popleak.core", "popleak.attacks")


def fresh(code: str) -> list[str]:
    """Return what `code` prints in a fresh interpreter, and which heavy modules it has loaded."""
    code = f"{code}\nimport sys, json; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_import_loads_nothing():
    assert fresh("import popleak; popleak.__version__; dir(popleak)") == []


def test_a_name_loads_what_it_needs_and_no_more():
    loaded = fresh("import popleak; popleak.n_leaked(0.8, 0.3, 0.5)")
    assert "numpy" in loaded and not {"pandas", "pyarrow", "pydantic", "torch"} & set(loaded)
    assert "pandas" not in fresh("from popleak import attack; attack('kl')")


@pytest.mark.parametrize("name", popleak.PLACES)
def test_every_name_is_there_and_documented(name):
    found = getattr(popleak, name)
    place, attribute = popleak.PLACES[name]
    assert found is getattr(import_module(f"popleak.{place}"), attribute)
    text = inspect.getdoc(found)
    assert text and len(text) > 40
    assert f"`{name}`" in (tiny.ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_no_name_is_that_of_a_part_of_the_package():
    """Importing popleak.attacks sets the name `attacks` of the package, whatever it was."""
    folder = Path(popleak.__file__).parent
    assert not set(popleak.PLACES) & {path.stem for path in folder.iterdir()}


def test_names_are_listed_and_others_are_not_there():
    assert set(dir(popleak)) == set(popleak.__all__) == {"__version__", *popleak.PLACES}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        popleak.nothing  # noqa: B018
    names: dict = {}
    exec("from popleak import *", names)
    assert set(popleak.PLACES) <= set(names)


def test_a_type_checker_sees_the_same_names():
    tree = ast.parse(Path(popleak.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: (node.module, alias.name) for node in block.body for alias in node.names}
    assert seen == popleak.PLACES


def test_the_table_on_the_page_names_nothing_else():
    text = (tiny.ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(popleak.PLACES)


# What decides whether a step is up to date.


def test_the_door_is_in_no_code_digest():
    """A module may read the version from the package; it does not run what the package offers."""
    assert "popleak" in provenance._imported("popleak.datasets._fetch")
    traced = provenance.imports("popleak.datasets._fetch", "popleak.stages.dataset")
    assert not [name for name in traced if name.startswith(("popleak.audit", "popleak.measures", "popleak.attacks"))]
    assert provenance._parsed("popleak") == ("", ())


@pytest.mark.parametrize(
    ("code", "expected", "absent"),
    [
        ("from popleak import n_leaked", "popleak.measures.leakage", "popleak.audit.judge"),
        ("from popleak import Game as G, Query", "popleak.attacks.base", "popleak.measures.leakage"),
        ("import popleak\npopleak.n_leaked(1, 0, 1)", "popleak.audit.judge", None),
        ("import popleak.core.seeds\npopleak.judge", "popleak.audit.judge", None),
        ("from popleak import *", "popleak.measures.leakage", None),
        ("from popleak.core import seeds", "popleak.core.seeds", "popleak.audit.judge"),
    ],
)
def test_what_a_strangers_plugin_takes_from_the_door_is_traced(tmp_path, monkeypatch, code, expected, absent):
    name = f"stranger{abs(hash(code))}"
    (tmp_path / f"{name}").mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / name / "plugin.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    traced = provenance.imports(f"{name}.plugin")
    assert expected in traced and absent not in traced


# One attack by itself.


def beta(seed: int, world: int, models: int = 8, points: int = 30) -> np.ndarray:
    return np.random.default_rng((seed, world)).beta(2 + world, 3 - world, (models, points))


@pytest.mark.parametrize("name", ["kl", "meta", "per-point", "threshold", "kl-label"])
def test_an_attack_is_calibrated_and_scores(name):
    one = popleak.attack(name)
    # in each world a model is right on its own points: the label is 1 where world 1's scores are high
    known = {"y": np.ones(30), "origin": np.arange(30) % 2} if one.plugin.reads else {}
    judge = one.calibrate(beta(1, 0), beta(1, 1), **known)
    right = [judge.guess(judge.score(row)) == world for world in (0, 1) for row in beta(2, world)]
    assert np.mean(right) > 0.8
    together = judge.score_all(np.concatenate([beta(2, 0), beta(2, 1)]))
    assert np.array_equal(together, [judge.score(row) for world in (0, 1) for row in beta(2, world)])


@pytest.mark.parametrize("name", ["kl", "meta", "per-point", "threshold", "kl-label"])
def test_an_attack_takes_scores_of_several_classes(name):
    """(S, m, C): the first class is right where the point is of the model's own world."""

    def scores(seed: int, world: int) -> np.ndarray:
        sure = np.where(np.arange(30) % 2 == world, 4.0, 1.5)
        gamma = np.random.default_rng((seed, world)).gamma(
            np.stack([sure, np.ones(30), np.ones(30)], 1), size=(8, 30, 3)
        )
        return gamma / gamma.sum(axis=2, keepdims=True)

    one = popleak.attack(name)
    known = {"y": np.zeros(30), "origin": np.arange(30) % 2} if one.plugin.reads else {}
    judge = one.calibrate(scores(1, 0), scores(1, 1), **known)
    right = [judge.guess(judge.score(row)) == world for world in (0, 1) for row in scores(2, world)]
    assert np.mean(right) > 0.8
    assert np.array_equal(judge.score_all(scores(2, 0)), [judge.score(row) for row in scores(2, 0)])
    if one.plugin.access == "labels":
        hard = np.eye(3)[scores(2, 0).argmax(axis=2)]
        assert np.array_equal(judge.score_all(hard), judge.score_all(scores(2, 0)))
    with pytest.raises(ValueError, match=r"outputs must be \(30, 3\), not \(30,\)"):
        judge.score(scores(2, 0)[0, :, 0])


def test_attacks_on_rows_and_on_samples_of_generators_are_refused_in_one_line():
    """They are no answers to whom a model's answers are shown."""
    listed = popleak.list_attacks()
    for name in plugins.names("attacks"):
        attack = plugins.load("attacks", name)
        assert (name in listed) == (not attack.rows and not attack.of_samples)
    for name, protocol in (("lira", "membership"), ("shadow-generators", "samples")):
        with pytest.raises(
            popleak.PopleakError, match=f"^attack '{name}' judges rows.*with worlds of protocol {protocol}$"
        ):
            popleak.attack(name)


def test_an_attack_of_two_classes_and_labels_beyond_the_classes_are_refused():
    scores = np.full((4, 30, 3), 1 / 3)
    with pytest.raises(
        popleak.PopleakError, match="attack 'snap' is for labels of 2 classes, and these have 3: choose"
    ):
        popleak.attack("snap").calibrate(scores, scores, y=np.zeros(30), a=np.zeros(30))
    with pytest.raises(ValueError, match="y must hold 0 and 1 and 2 only"):
        popleak.attack("threshold").calibrate(scores, scores, y=np.full(30, 3), origin=np.arange(30) % 2)
    with pytest.raises(ValueError, match=r"shadows must be .* not \(4, 30, 3\) and \(4, 30\)"):
        popleak.attack("kl").calibrate(scores, scores[..., 0])


def test_an_attack_on_labels_reads_scores_as_labels():
    known = {"y": np.ones(30), "origin": np.arange(30) % 2}
    one = popleak.attack("threshold")
    soft = one.calibrate(beta(1, 0), beta(1, 1), **known)
    hard = one.calibrate(*((beta(1, world) >= 0.5).astype(int) for world in (0, 1)), **known)
    for row in beta(2, 0):
        assert soft.score(row) == hard.score(row) == soft.score(row >= 0.5)


def test_what_is_wrong_with_an_attack_is_one_line():
    with pytest.raises(popleak.PopleakError, match="'kl2' is unknown: choose from"):
        popleak.attack("kl2")
    with pytest.raises(popleak.PopleakError, match=r"attack 'kl': clips: unknown key .did you mean 'clip'"):
        popleak.attack("kl", clips=1)
    with pytest.raises(popleak.PopleakError, match=r"needs y, origin of the query points: pass them to calibrate\(\)"):
        popleak.attack("threshold").calibrate(beta(1, 0), beta(1, 1))
    one = popleak.attack("kl")
    with pytest.raises(ValueError, match=r"must be \(S0, m\) and \(S1, m\)"):
        one.calibrate(beta(1, 0), beta(1, 1, points=20))
    with pytest.raises(ValueError, match="at least one shadow of each world"):
        one.calibrate(beta(1, 0)[:0], beta(1, 1))
    with pytest.raises(ValueError, match=r"answers must lie in \[0, 1\]"):
        one.calibrate(beta(1, 0) + 1, beta(1, 1))
    with pytest.raises(ValueError, match="y must hold 0 and 1 only"):
        one.calibrate(beta(1, 0), beta(1, 1), y=np.full(30, 2))
    judge = one.calibrate(beta(1, 0), beta(1, 1))
    with pytest.raises(ValueError, match=r"outputs must be \(30,\)"):
        judge.score(beta(1, 0))
    with pytest.raises(ValueError, match=r"answers must lie in \[0, 1\]"):
        judge.score(np.full(30, np.nan))
