"""Every kind of bad input is answered by one line that says what is wrong and what to do, with status 2, and nothing is written."""

from __future__ import annotations

import re

import pytest

import bad_inputs

LISTING = bad_inputs.listing()


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each example is answered, by section and kind."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("POPLEAK_DATA", raising=False)
        for bad in LISTING:
            found[bad.section, bad.kind] = bad_inputs.run(bad, tmp_path_factory.mktemp("bad"))
    return found


def test_there_are_many_kinds():
    assert len({(bad.section, bad.kind) for bad in LISTING}) == len(LISTING) >= 100


@pytest.mark.parametrize("bad", LISTING, ids=lambda bad: bad.kind)
def test_one_line_with_status_2_and_nothing_written(said, bad):
    found = said[bad.section, bad.kind]
    assert (found.status, found.changed) == (2, [])
    # `check` reports all problems, a line each, after one that counts them
    head = re.fullmatch(r"popleak: check: (\d+) problems?:", found.lines[0])
    assert len(found.lines) == (1 + int(head[1]) if head else 1) and bool(head) == (bad.words[0] == "check")
    assert found.lines[0].startswith("popleak: ")
    for text in (line.strip().removeprefix("popleak: ") for line in found.lines[bool(head) :]):
        assert text.isprintable() and re.match(r"\S.*\S", text)
        assert not re.search(r"Traceback|Error\b|Exception|pydantic|<class", text)


def test_the_page_has_each_kind_with_its_message(said):
    """After a change: `make docs`."""
    block = bad_inputs.block({key: bad_inputs.message(found) for key, found in said.items()})
    page = bad_inputs.PAGE.read_text(encoding="utf-8")
    assert page.split(bad_inputs.BEGIN)[1].split(bad_inputs.END)[0].strip() == block.strip()
