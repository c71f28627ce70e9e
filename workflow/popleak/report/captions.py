"""Captions for Snakemake's own report (`snakemake --report`), as reStructuredText. Light: the Snakefile asks for them."""

from __future__ import annotations

from ..core import plugins
from ..store import schema
from .words import capital

PAGE = (
    "The report of the experiment: one page with the answer, verdicts, findings, figures, tables, data, settings and provenance. It needs "
    "no network."
)

ADVICE = (
    "The page for whoever decides on a release: a light for each question and kind of access, what it rests on, what helps at what price, and what "
    "was left out. It needs no network."
)


def figure(name: str) -> str:
    """Return what a figure shows."""
    plugin = plugins.load("figures", name)
    return f"{_text(_sentence(plugin.summary))}\n\n{_text(plugin.caption)}"


def table(name: str) -> str:
    """Return what a public table holds: each column with its meaning."""
    columns = [f"- **{_text(column.name)}**: {_text(column.about)}" for column in schema.TABLES[name]]
    return f"Public table {name}. Its columns:\n\n" + "\n".join(columns)


def _sentence(text: str) -> str:
    return f"{capital(text)}."


def _text(text: str) -> str:
    """Return text in which nothing is markup: a backtick, an asterisk or an underscore stands for itself."""
    return " ".join("".join(f"\\{sign}" if sign in "\\`*_|" else sign for sign in text).split())
