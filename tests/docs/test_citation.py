"""What CITATION.cff asks to cite: the suite, and the source of every dataset of people that it loads."""

from __future__ import annotations

import re

import yaml

import tiny
from dataset_checks import EXAMPLES
from popleak.core import plugins

CITED = yaml.safe_load((tiny.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
KINDS = {"article", "conference-paper", "data", "newspaper-article", "report"}


def test_every_reference_has_what_the_format_asks_for():
    assert CITED["cff-version"] == "1.2.0" and CITED["type"] == "software"
    for one in [CITED, *CITED["references"]]:
        assert one["title"] and one["authors"]
        assert all(set(author) in ({"name"}, {"family-names", "given-names"}) for author in one["authors"])
    assert {one["type"] for one in CITED["references"]} <= KINDS
    assert len({one["title"] for one in CITED["references"]}) == len(CITED["references"])


def test_every_dataset_is_cited():
    """By its first author, and by its DOI where the card has one."""
    families = {author.get("family-names") for one in CITED["references"] for author in one["authors"]}
    dois = {one["doi"] for one in CITED["references"] if "doi" in one}
    people = 0
    for name in plugins.names("datasets"):
        plugin = plugins.load("datasets", name)
        citation = plugin.card(plugin.Settings.model_validate(EXAMPLES.get(name, {}))).citation
        if (
            plugin.own or (first := re.match(r"([A-Z][\w-]+), [A-Z]\.", citation)) is None
        ):  # a user's table, or generated
            continue
        people += 1
        assert first[1] in families, citation
        assert set(re.findall(r"doi:(\S+?)[.,]?(?:\s|$)", citation)) <= dois, citation
    assert people >= 8
