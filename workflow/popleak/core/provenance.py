"""Digest of the code that a step runs: what makes an edit re-run exactly the steps that import it.

Snakemake sees `python -m popleak train ...` and not the modules behind it, so each rule carries this digest among
its params. It covers the stage's module and everything of this package that it imports, however indirectly, plus
the plugins that the step uses; comments, docstrings and layout do not count.

To read a hundred modules takes longer than to plan, so what was found in a module's text is kept in the user's own cache
(`private`), by a digest of that text.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path
from typing import NamedTuple

from . import private

PACKAGE = __package__.partition(".")[0]
COMPUTES = {
    "llvmlite": (),
    "matplotlib": ("numpy",),
    "numba": ("llvmlite", "numpy"),
    "numpy": (),
    "optuna": ("numpy",),
    "pandas": ("numpy",),
    "pillow": (),
    "scikit-image": ("numpy", "scipy"),
    "scikit-learn": ("numpy", "scipy"),
    "scipy": ("numpy",),
    "sentence_transformers": ("tokenizers", "torch", "transformers"),
    "statsmodels": ("numpy", "pandas", "scipy"),
    "tokenizers": (),
    "torch": (),
    "transformers": ("torch",),
}
"""Libraries whose upgrade may change a number, and those of them that each computes with."""
USUAL = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}
"""Under which name a package of another name is installed."""
CARRIES = (
    "jinja2", "markupsafe", "pyarrow", "pydantic", "pydantic_core", "rocrate", "snakemake", "sqlalchemy", "threadpoolctl", "yaml",
)  # fmt: skip
"""Packages that are imported and carry numbers as they are."""


UNCOUNTED = (PACKAGE, f"{PACKAGE}.core.accounting", f"{PACKAGE}.core.private")


@functools.cache
def _root(package: str) -> Path | None:
    """Return the folder of a top-level package. Only the top level is asked for: a deeper spec would import its parents."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


@functools.cache
def _source(module: str) -> Path | None:
    first, *rest = module.split(".")
    root = _root(first)
    if root is None:
        return None
    stem = root.joinpath(*rest)
    for path in (stem / "__init__.py", stem.with_suffix(".py")) if rest else (root / "__init__.py",):
        if path.is_file():
            return path
    return None


def _strip(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and body:
            node.body = [
                statement
                for statement in body
                if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            ] or [ast.Pass()]
    return tree


class Facts(NamedTuple):
    """What a module's text says: a digest of its code, and the full names of all that it imports, anywhere in it."""

    code: str
    imported: tuple[str, ...]


KEPT = "modules.json"
"""Where `Facts` are kept, by a digest of what they follow from."""
MOST = 2000
_known: dict[str, Facts] = {}
_used: set[str] = set()


@functools.cache
def _facts(module: str) -> Facts:
    path = _source(module)
    if path is None:
        return Facts("", ())
    _recall()
    text, is_package = path.read_bytes(), path.name == "__init__.py"
    key = hashlib.sha256(json.dumps([module, is_package]).encode() + text).hexdigest()
    if key not in _known:
        tree = ast.parse(text)
        found = _names(tree, module if is_package else module.rpartition(".")[0])
        _known[key] = Facts(hashlib.sha256(ast.dump(_strip(tree)).encode()).hexdigest(), tuple(sorted(found)))
    _used.add(key)
    return _known[key]


@functools.cache
def _recall() -> frozenset[str]:
    """Read what earlier processes found; return its keys."""
    try:
        found = json.loads(private.read(KEPT) or b"{}")
        # how code is parsed is part of what was found
        if found.get("by") == _by():
            _known.update({key: Facts(code, tuple(names)) for key, (code, names) in found["modules"].items()})
    except (ValueError, TypeError, AttributeError, KeyError):  # of another version
        _known.clear()
    return frozenset(_known)


def _by() -> str:
    return hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes()).hexdigest()


def keep() -> None:
    """Keep what was found in modules for later processes."""
    if _used - _recall():
        # what was not asked for is mostly of earlier code
        modules = {key: _known[key] for key in sorted(_known if len(_known) <= MOST else _used)}
        private.write(KEPT, json.dumps({"by": _by(), "modules": modules}).encode())


def _parsed(module: str) -> tuple[str, tuple[str, ...]]:
    """Return the digest of one module's own code and the names of the package's modules that it imports."""
    if module == PACKAGE:  # it offers names from far below, and who imports it runs none of them
        return "", ()
    facts = _facts(module)
    found = _through_the_door(frozenset(facts.imported))
    wanted = {name for name in found if name.split(".")[0] in (module.split(".")[0], PACKAGE)}
    return facts.code, tuple(sorted(name for name in wanted if _source(name) is not None))


def _through_the_door(found: frozenset[str]) -> set[str]:
    """Return imported names, and the modules of those that the package itself offers: `from popleak import n_leaked` in a stranger's plugin.

    All that it offers where a module can reach the package as a whole: `import popleak`.
    """
    places = {
        f"{PACKAGE}.{name}": f"{PACKAGE}.{place}"
        for name, (place, _) in importlib.import_module(PACKAGE).PLACES.items()
    }
    asked = places if f"{PACKAGE}.*" in found else found & places.keys()
    return {*found, *(places[name] for name in asked)}


def _imported(module: str) -> frozenset[str]:
    """Return the full names of all that a module imports, anywhere in it; a name may be a module or what is in one."""
    return frozenset(_facts(module).imported)


def _names(tree: ast.Module, package: str) -> set[str]:
    base = package.split(".")
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            if any(alias.name.split(".")[0] == PACKAGE for alias in node.names):
                found.add(f"{PACKAGE}.*")
        elif isinstance(node, ast.ImportFrom):
            stem = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*stem, *([node.module] if node.module else [])])
            found.add(origin)
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    return found


def imports(*modules: str) -> tuple[str, ...]:
    """Return `modules` and all modules of the package that they import, however indirectly, sorted."""
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo.extend(_parsed(module)[1])
            parent = module.rpartition(".")[0]
            if "." in parent:  # importing a module runs its packages too; the root runs nothing
                todo.append(parent)
    return tuple(sorted(seen))


@functools.cache
def library_versions(*modules: str) -> dict[str, str]:
    """Return the versions of the libraries that `modules`, and all that they import, compute with, by distribution.

    So a library's upgrade re-runs the steps that use it and no other.
    """
    traced = imports(*modules)
    tops = {name.split(".")[0] for module in traced for name in _imported(module)}
    tops -= {*CARRIES, *sys.stdlib_module_names, "", *(module.split(".")[0] for module in traced)}
    found: dict[str, str] = {}
    todo = [_distribution(top) for top in sorted(tops)]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = _version(name)
            todo.extend(COMPUTES.get(name, ()))
    return dict(sorted(found.items()))


@functools.cache
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # a stranger's own module, or one that it can do without
        return "none"


@functools.cache
def _distribution(package: str) -> str:
    """Return the name under which a top-level package is installed; its own where that is not known."""
    name = USUAL.get(package, package)
    if name in COMPUTES:  # the usual ones, without a look at all that is installed
        return name
    return next(iter(importlib.metadata.packages_distributions().get(package, [package])))


@functools.cache
def code_digest(*modules: str) -> str:
    """Return 12 hex digits over the code of `modules` and all that they import within the package.

    What only tells how long a job took, and where a user's cache lies, decides no result and is left out.
    """
    counted = [name for name in imports(*modules) if name not in UNCOUNTED]
    text = "".join(f"{name}={_parsed(name)[0]};" for name in counted)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Commit(NamedTuple):
    """The last commit that changed a folder, its date (ISO 8601, with the zone of who made it), and whether files in the folder differ
    from it."""

    name: str
    date: str
    changed: bool

    def __str__(self) -> str:
        return f"{self.name}, with changes that are not committed" if self.changed else self.name


def commit(place: Path = Path(__file__).parents[1]) -> Commit | None:
    """Return the last commit that changed a folder of a checkout, by default this package's; None where git does not keep it."""
    import subprocess

    def git(*words: str) -> str:
        # `status` would write what it finds into the index, and lock it meanwhile against whoever commits
        found = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(place), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return found.stdout.strip() if found.returncode == 0 else ""

    try:
        last = git("log", "-1", "--format=%H %cI", "--", ".")
        changed = git("status", "--porcelain", "--", ".") if last else ""
    except (OSError, subprocess.SubprocessError):  # no git, or one that hangs
        return None
    name, _, date = last.partition(" ")
    return Commit(name, date, bool(changed)) if last else None
