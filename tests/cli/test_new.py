"""`popleak new`: of each kind a plugin that passes its contract as it stands, where it belongs, and never over a file."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

import tiny
from popleak.cli import new, stages
from popleak.core import plugins

NAME = "my-own-2"


def test_every_kind_of_plugin_can_be_begun():
    assert set(new.KINDS.values()) == set(plugins.KINDS)
    files = {f"{kind}{ending}" for kind in new.KINDS for ending in (".txt", ".test.txt")}
    assert {path.name for path in new.TEMPLATES.iterdir()} == files


def test_outside_a_checkout_it_says_how_to_make_it_known(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for kind, group in new.KINDS.items():
        assert stages.main(["new", kind, f"my-{kind}"]) == 0
        said = capsys.readouterr().out
        points = tomllib.loads(said[said.index("[project") :])["project"]["entry-points"]
        assert points == {f"popleak.{group}": {f"my-{kind}": f"my_{kind}:PLUGIN"}}
        assert (tmp_path / f"my_{kind}.py").is_file() and (tmp_path / f"test_my_{kind}.py").is_file()
    subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "E,F,W,UP,B,RUF", "--ignore", "E501", "."], check=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", new.KINDS)
def test_its_test_passes(kind, tmp_path):
    new.write(kind, NAME, tmp_path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tiny.ROOT / "workflow"), str(tmp_path)])}
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", str(tmp_path), str(tmp_path))
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout[-3000:]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that looks like a checkout from outside."""
    (tmp_path / "workflow/popleak/core").mkdir(parents=True)
    (tmp_path / "workflow/popleak/core/plugins.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", new.KINDS)
def test_in_a_checkout_it_goes_where_plugins_are(kind, checkout):
    said = new.write(kind, NAME)
    room = {"access": "threat/access"}.get(kind, new.KINDS[kind])
    plugin = checkout / "workflow/popleak" / room / "my_own_2.py"
    test = checkout / "tests" / room.split("/")[0] / "test_my_own_2.py"
    assert f'name = "{NAME}"' in plugin.read_text() and "MyOwn2" in plugin.read_text()
    assert f"from popleak.{room.replace('/', '.')}.my_own_2 import PLUGIN" in test.read_text()
    assert "entry-points" not in said and str(test.relative_to(checkout)) in said
    assert "my-plugin" not in plugin.read_text() + test.read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Median_Score", "no name of a plugin: lower case, words joined by hyphens, for example 'median-score'"),
        ("2nd", "for example 'nd'"),
        ("../up", "for example 'up'"),
        ("a--b", "for example 'a-b'"),
        ("class", "cannot be the name of a plugin's file"),
        ("base", "cannot be the name of a plugin's file"),
        ("test-it", "cannot be the name of a plugin's file"),
        ("kl", "is the name of a plugin that exists (`popleak list attacks`)"),
    ],
)
def test_a_bad_name_is_refused(name, message, checkout, capsys):
    before = sorted(checkout.rglob("*"))
    assert stages.main(["new", "attack", name]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert sorted(checkout.rglob("*")) == before


@pytest.mark.parametrize("ending", ["workflow/popleak/attacks/my_own_2.py", "tests/attacks/test_my_own_2.py"])
def test_a_file_that_exists_is_kept(ending, checkout, capsys):
    path = checkout / ending
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    before = sorted(checkout.rglob("*"))
    assert stages.main(["new", "attack", NAME]) == 2
    assert capsys.readouterr().err == f"popleak: {ending}: exists and is kept: choose another name, or remove it\n"
    assert path.read_text() == "mine" and sorted(checkout.rglob("*")) == before
