"""Digest of the code that a step runs: what makes an edit re-run exactly the steps that import it.

Snakemake sees `python -m popleak train ...` and not the modules behind it, so each rule carries this digest among
its params. It covers the stage's module and everything of this package that it imports, however indirectly, plus
the plugins that the step uses; comments, docstrings and layout do not count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path

PACKAGE = __package__


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


@functools.cache
def _parsed(module: str) -> tuple[str, tuple[str, ...]]:
    """Return the digest of one module's own code and the names of the package's modules that it imports."""
    path = _source(module)
    if path is None:
        return "", ()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_package = path.name == "__init__.py"
    base = module.split(".") if is_package else module.split(".")[:-1]
    root = module.split(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*stem, *([node.module] if node.module else [])])
            found.add(origin)
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    wanted = {name for name in found if name.split(".")[0] in (root, PACKAGE)}
    inner = sorted(name for name in wanted if _source(name) is not None)
    return hashlib.sha256(ast.dump(_strip(tree)).encode()).hexdigest(), tuple(inner)


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
            if "." in parent:  # importing a module runs its packages too; the root holds the version alone
                todo.append(parent)
    return tuple(sorted(seen))


@functools.cache
def library_versions() -> dict[str, str]:
    """Return the versions of the libraries whose upgrade may change a number."""
    names = ("torch", "numba", "numpy", "scipy", "scikit-learn", "pandas", "statsmodels", "matplotlib")
    return {name: importlib.metadata.version(name) for name in names}


@functools.cache
def code_digest(*modules: str) -> str:
    """Return 12 hex digits over the code of `modules` and all that they import within the package.

    What only tells how long a job took decides no result, and is left out.
    """
    counted = [name for name in imports(*modules) if name not in (PACKAGE, f"{PACKAGE}.accounting")]
    text = "".join(f"{name}={_parsed(name)[0]};" for name in counted)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
