"""The code digest: an edit of code re-runs exactly the steps that import it, an edit of words none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

import tiny
import warm
from popleak.core import plugins, private, provenance
from popleak.plan import build as plan

pytestmark = pytest.mark.slow

DIGESTS = """
import json, sys
sys.path.insert(0, sys.argv[2])
import tiny
from popleak.core import provenance
assert provenance.__file__.startswith(sys.argv[1]), provenance.__file__
found = {}
for step in tiny.build(figures=["leakage", "gap", "roc"], attacks=["loss", "kl", "meta"]).all_steps():
    name = step.stage
    if step.stage in ("tables", "figures"):
        name += " " + (step.settings.table if step.stage == "tables" else step.settings.figure)
    if step.stage == "attack":
        name += " " + step.settings.attack
    if step.stage == "defend":
        name += " " + step.settings.defence
    found.setdefault(name, set()).add(step.code)
assert all(len(codes) == 1 for codes in found.values())
print(json.dumps({name: codes.pop() for name, codes in found.items()}))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package that a test may edit."""
    folder = tmp_path_factory.mktemp("copy")
    source = tiny.ROOT / "workflow" / "popleak"
    shutil.copytree(source, folder / "popleak", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "popleak"


def digests(package, python: str | None = None) -> dict[str, str]:
    """Return the code digest of each kind of step, as an interpreter that has not yet imported the package sees the copy."""
    folder = str(package.parent)
    environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python or warm.python(), "-c", DIGESTS, folder, str(tiny.ROOT / "tests" / "helpers")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def before(package):
    return digests(package)


@pytest.fixture
def edit(package, before):
    """edit(file, text or function) -> the kinds of steps whose digest differs; the file is put back."""
    saved = {}

    def apply(file, change) -> set[str]:
        path = package / file
        saved.setdefault(path, path.read_text(encoding="utf-8"))
        text = change(saved[path]) if callable(change) else saved[path] + change
        assert text != saved[path], "the edit changes nothing"
        path.write_text(text, encoding="utf-8")
        after = digests(package)
        path.write_text(saved[path], encoding="utf-8")
        assert after.keys() == before.keys()
        return {name for name in after if after[name] != before[name]}

    yield apply
    for path, text in saved.items():
        path.write_text(text, encoding="utf-8")


CODE = "\n\nADDED = 1\n"
ALL = {
    "dataset", "split", "draw", "train", "defend finetune", "defend fft", "query", "measure", "attack loss", "attack kl",
    "attack meta", "tables models", "tables scores", "tables leakage", "tables bounds", "tables claims", "tables proxies",
    "tables defences",
    "figures leakage", "figures gap", "figures roc", "report",
}  # fmt: skip
TRAINED = {"train", "defend finetune", "defend fft"}


def test_every_kind_of_step_has_a_digest(before):
    assert set(before) == ALL
    assert all(before.values())


@pytest.mark.parametrize(
    "change",
    [
        "\n# a comment\n",
        lambda text: text.replace('"""', '"""Another text. ', 1),
        lambda text: text.replace("    @classmethod", "    # why\n\n    @classmethod"),
        lambda text: "".join(f"{line}  # x\n" if line == "import time" else f"{line}\n" for line in text.splitlines()),
        lambda text: text.replace('"""Return the table of arrays', '"""Give the table of arrays'),
    ],
    ids=["comment", "module docstring", "blank lines", "end of line", "method docstring"],
)
def test_words_do_not_count(edit, change):
    assert edit("engine/fit.py", change) == set()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        # what is used by all (the page of the report reads its tables by itself)
        ("store/parquet.py", ALL),
        ("engine/eo.py", {*TRAINED, "query", "measure", "attack loss", "attack kl", "attack meta"}),
        # plugins: the steps with that plugin
        ("attacks/kl.py", {"attack kl"}),
        ("attacks/meta.py", {"attack meta"}),
        ("defences/fft.py", {"defend fft"}),
        ("defences/finetune.py", {"defend finetune"}),
        ("datasets/synthetic.py", {"dataset"}),
        ("datasets/adult.py", set()),
        ("models/mlp.py", {*TRAINED, "query", "measure"}),
        ("models/logistic.py", set()),
        ("figures/gap.py", {"figures gap", "report"}),
        ("figures/_style.py", {"figures leakage", "figures gap", "figures roc", "report"}),
        ("stages/figures.py", {"figures leakage", "figures gap", "figures roc"}),
        # stages and tables
        ("stages/measure.py", {"measure"}),
        ("tables/claims.py", {"tables claims"}),
        (
            "tables/leakage.py",
            {"tables leakage", "tables defences", "report"},
        ),  # whose first screen repeats the choice of `best`
        ("measures/intervals.py", {"tables leakage", "tables claims", "tables defences"}),
        (
            "tables/__init__.py",
            {
                "report",
                *(
                    f"tables {name}"
                    for name in ("models", "scores", "leakage", "bounds", "claims", "proxies", "defences")
                ),
            },
        ),
        ("tables/parts.py", {f"tables {name}" for name in ("models", "scores", "bounds")}),
        ("report/template.py", {"report"}),
    ],
)
def test_an_edit_re_runs_what_imports_it(edit, file, expected):
    found = edit(file, CODE)
    if file == "engine/eo.py":  # what comes after training may import the stage's readers, training must
        assert TRAINED <= found <= expected
    elif file in ("store/parquet.py", "measures/intervals.py"):
        assert found >= expected - {"report", "figures leakage", "figures gap", "figures roc"}
        assert not (file == "measures/intervals.py" and found & (TRAINED | {"dataset", "split", "draw", "query"}))
    else:
        assert found == expected


def test_code_of_training_does_not_touch_what_comes_before(edit):
    found = edit("stages/train.py", CODE)
    assert found >= TRAINED
    assert not found & {"dataset", "split", "draw"}


def test_a_change_of_one_constant_counts(edit):
    assert edit("attacks/_shadows.py", lambda text: text.replace("CLIP =", "CLIP = 0 +", 1))


def test_a_new_import_is_followed(edit, package):
    (package / "extra.py").write_text("X = 1\n")
    try:
        assert edit("attacks/kl.py", "\n\ndef f():\n    from .. import extra\n    return extra\n") == {"attack kl"}
    finally:
        (package / "extra.py").unlink()


def test_lazily_imported_modules_are_covered():
    # imported within functions only
    assert {"popleak.engine.fit", "popleak.engine.stack"} <= set(provenance.imports("popleak.stages.query"))
    assert "popleak.engine.eo" in provenance.imports("popleak.defences.fft")
    assert "popleak.core.seeds" in provenance.imports("popleak.defences.base")


def test_lazily_imported_code_counts(edit):
    assert {"query", *TRAINED} <= edit("engine/stack.py", CODE)


def test_only_modules_of_the_package():
    for module in provenance.imports("popleak.stages.train", "popleak.report.build"):
        assert module.split(".")[0] == "popleak"


def test_order_of_modules_does_not_matter():
    assert provenance.code_digest("popleak.stages.train", "popleak.stages.split") == provenance.code_digest(
        "popleak.stages.split", "popleak.stages.train"
    )


def test_digest_is_stable_over_interpreters(package, before):
    assert digests(package, sys.executable) == before


def test_code_of_a_strangers_plugin_counts(tmp_path, monkeypatch):
    """A third party's plugin: its own package is followed, too."""
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "__init__.py").write_text("")
    (tmp_path / "stranger" / "helper.py").write_text("X = 1\n")
    (tmp_path / "stranger" / "attack.py").write_text(
        "from popleak.attacks.base import Attack\nfrom .helper import X\nPLUGIN = Attack()\n"
    )
    code = "from popleak.core import provenance as p; print(*p.imports('stranger.attack'), p.code_digest('stranger.attack'))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tiny.ROOT / "workflow"), str(tmp_path)])}

    def ask():
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        ).stdout.split()

    first = ask()
    assert {"stranger.attack", "stranger.helper", "popleak.attacks.base"} <= set(first)
    (tmp_path / "stranger" / "helper.py").write_text("X = 2\n")
    assert ask()[-1] != first[-1]


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_every_plugin_has_a_digest(kind):
    for module in plugins.modules(kind).values():
        assert len(provenance.code_digest(module)) == 12
        assert len(provenance.imports(module)) > 1


def test_step_code_names_all_that_the_step_runs():
    step = next(iter(tiny.build().steps["defend"].values()))
    assert set(step.modules) >= {"popleak.stages.defend", "popleak.models.mlp"}
    assert isinstance(step, plan.Step) and step.code


def test_what_tells_how_long_a_job_took_is_not_in_the_digest(monkeypatch):
    assert "popleak.core.accounting" in provenance.imports("popleak.stages.train")
    before = provenance.code_digest.__wrapped__("popleak.stages.train")
    parsed = provenance._parsed
    monkeypatch.setattr(
        provenance, "_parsed", lambda name: ("other", ()) if name == "popleak.core.accounting" else parsed(name)
    )
    assert provenance.code_digest.__wrapped__("popleak.stages.train") == before
    monkeypatch.setattr(
        provenance, "_parsed", lambda name: ("other", ()) if name == "popleak.stages.train" else parsed(name)
    )
    assert provenance.code_digest.__wrapped__("popleak.stages.train") != before


RECALLED = """
import ast, json
from popleak.core import provenance
if {strict}:
    def parse(*_, **__): raise AssertionError("read again")
    ast.parse = parse
names = ["popleak.stages.train", "popleak.attacks.kl"]
print(json.dumps([[provenance.code_digest(name), provenance.imports(name)] for name in names]))
provenance.keep()
"""


def recalled(cache, *, strict: bool = False) -> str:
    """Return digests and imports as a fresh interpreter finds them with its cache in `cache`; strict: it may read no module."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(tiny.ROOT / "workflow")}
    code = RECALLED.replace("{strict}", str(strict))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_was_found_in_modules_is_kept_and_no_other_version_believed(tmp_path, monkeypatch):
    found = recalled(tmp_path)
    assert recalled(tmp_path, strict=True) == found
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = json.loads(private.read(provenance.KEPT))
    wrong = {key: ["0" * 64, []] for key in kept["modules"]}
    private.write(provenance.KEPT, json.dumps({**kept, "modules": wrong}).encode())
    assert recalled(tmp_path) != found, "this file is believed"
    for other in (
        {"by": "another version", "modules": wrong},
        {"by": kept["by"]},
        ["by"],
        {"by": kept["by"], "modules": [1]},
    ):
        private.write(provenance.KEPT, json.dumps(other).encode())
        assert recalled(tmp_path) == found


def test_the_commit_is_that_of_the_folder_and_says_what_is_not_committed(tmp_path):
    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert provenance.commit(tmp_path) is None  # no checkout
    inner = tmp_path / "package"
    inner.mkdir()
    git("init", "-q")
    assert provenance.commit(inner) is None  # a checkout of something else, as around a virtual environment
    (inner / "a.py").write_text("1\n")
    git("add", "-A")
    git("commit", "-qm", "one")
    first = git("rev-parse", "HEAD")
    (tmp_path / "notes.md").write_text("a\n")
    git("add", "-A")
    git("commit", "-qm", "two")
    found = provenance.commit(inner)
    assert str(found) == first and found.date == git("show", "--no-patch", "--format=%cI", first)
    (inner / "a.py").write_text("2\n")
    assert str(provenance.commit(inner)) == f"{first}, with changes that are not committed"
    (inner / "a.py").write_text("1\n")
    os.utime(inner / "a.py", (1e9, 1e9))
    index = (tmp_path / ".git" / "index").read_bytes()
    assert str(provenance.commit(inner)) == first
    assert (tmp_path / ".git" / "index").read_bytes() == index, "nobody who commits meanwhile is locked out"
