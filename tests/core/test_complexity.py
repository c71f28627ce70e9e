"""How many decisions a function may take: its cyclomatic complexity, counted as radon counts it.

Ruff's C901 sees statements alone. Most branches here are in conditional expressions, comprehensions and `and`s, so it would not hold them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from popleak.core import provenance

PACKAGE = Path(provenance.__file__).parents[1]
MOST = 14
DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def decisions(node: ast.AST) -> int:
    """Return by how much a node adds to the number of ways through its function."""
    match node:
        case ast.If() | ast.IfExp() | ast.Assert():
            return 1
        case ast.For() | ast.AsyncFor() | ast.While():
            return 1 + bool(node.orelse)
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.Try():
            return len(node.handlers) + bool(node.orelse)
        case ast.match_case():
            return not (isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None)  # `case _` is an else
    return 0


def own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a node, without the functions and classes defined there, which count for themselves, and without what an
    assertion asserts."""
    if isinstance(node, DEFINED):
        return
    yield node
    for child in () if isinstance(node, ast.Assert) else ast.iter_child_nodes(node):
        yield from own(child)


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Yield each function's name and complexity."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DEFINED[:2]):
            yield node.name, 1 + sum(decisions(one) for line in node.body for one in own(line))


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("return 1", 1),
        ("return 1 if a and b and c else 2", 4),
        ("return [x for x in a if x if b for y in x]", 5),
        ("for x in a:\n  pass\n else:\n  pass", 3),
        ("try:\n  a()\n except (A, B):\n  b()\n except C:\n  c()\n finally:\n  d()", 3),
        ("if a:\n  b()\n elif c:\n  d()\n else:\n  e()", 3),
        ("match a:\n  case 1 | 2: b()\n  case _: c()", 2),
        ("assert a or b", 2),
        ("def inner():\n  return a or b\n return inner if a else b", 2),
    ],
)
def test_the_count(body, complexity):
    assert next(functions(f"def f(a, b, c):\n {body}")) == ("f", complexity)


def test_no_function_takes_too_many_decisions():
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}::{name}": complexity
        for path in sorted(PACKAGE.rglob("*.py"))
        for name, complexity in functions(path.read_text(encoding="utf-8"))
        if complexity > MOST
    }
    assert not found, "split these by what they do"
