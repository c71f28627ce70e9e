"""A paper's claims as a file: what is read, and what is refused in one line."""

from __future__ import annotations

import pytest
import yaml

import popleak.steps.papers as kinds
from popleak.config import papers
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.tables._judges import JUDGES

OURS = papers.FOLDER / "fair-finetuning.yaml"


def raw() -> dict:
    return yaml.safe_load(OURS.read_text(encoding="utf-8"))


def written(folder, content) -> str:
    path = folder / "second.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def test_the_paper_has_the_claims_of_the_method():
    paper = papers.load("fair-finetuning")
    assert [claim.id for claim in paper.claims] == ["C1", "C2", "C2s", "C3", "C4", "C5", "C6", "C7", "C8", "C9"]
    assert {claim.id for claim in paper.claims if claim.source == "paper"} == {"C1", "C2", "C2s", "C3", "C5", "C8"}


def test_every_kind_has_a_judge():
    assert set(JUDGES) | {"witness"} == set(kinds.KINDS)


def test_every_verdict_of_every_claim_has_a_sentence():
    """A verdict without one would leave a paragraph that measures and concludes nothing."""
    for claim in papers.load("fair-finetuning").claims:
        wanted = {"holds", "fails", "cannot tell"} - ({"fails"} if claim.kind == "witness" else set())
        assert wanted <= set(claim.plain), claim.id


def test_a_paper_of_a_users_own(tmp_path):
    found = raw()
    found["claims"] = [one for one in found["claims"] if one["id"] == "C2"]
    found["claims"][0] |= {"id": "gap", "share": 0.9}
    (claim,) = papers.load(written(tmp_path, found)).claims
    assert (claim.id, claim.share, claim.kind) == ("gap", 0.9, "gap-small")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "gap-tiny"}, '"gap-tiny" for the key'),
        ({"limits": 3}, "unknown key 'claims.1.limits'"),
        ({"share": None}, "claim C2: kind gap-small needs `share`"),
        ({"share": 1.5}, "claim C2: share must lie between 0 and 1, not 1.5"),
        ({"forms": ["balanced"]}, "claim C2: kind gap-small does not know `forms`: leave it out"),
        (
            {"statement": "{defense} works"},
            "claim C2: statement: unknown name {defense}: kind gap-small knows defence, ",
        ),
        ({"statement": "{defence.__class__} works"}, None),
        ({"plain": {"asks": "a"}}, "claim C2: plain: `measured` is missing"),
        ({"plain": {"asks": "a", "measured": "b", "hold": "c"}}, "claim C2: plain: unknown part 'hold'"),
        ({"id": "C1"}, "claims: two have the id C1"),
        ({"id": ""}, "claims.1.id: '' is no id: give a short one, such as C2"),
        ({"id": "C2\n"}, "claims.1.id: 'C2\\n' is no id"),
        ({"id": "C" * 41}, "is no id"),
        ({"datasets": ["acs_incme"]}, "claim C2: datasets: no dataset 'acs-incme' (did you mean 'acs-income'?): `popleak list datasets`"),
        ({"datasets": [""]}, "claim C2: datasets: no dataset ''"),
        ({"datasets": ["adult", "adult"]}, "claim C2: datasets: 'adult' is there 2 times: keep one"),
        ({"datasets": ["acs_income", "acs-income"]}, "claim C2: datasets: 'acs-income' is there 2 times"),
        ({"defences": ["ftt"]}, "claim C2: defences: no defence 'ftt' (did you mean 'fft'?): `popleak list defences` names them"),
        ({"defences": ["fft\n"]}, "defences: no defence 'fft\\n' (did you mean 'fft'?)"),
        ({"defences": ["none"]}, "claim C2: defences: none is what the others are compared with"),
        ({"statement": " "}, "claim C2: statement: is empty: give it a text"),
        ({"plain": {"asks": "a", "measured": "b", "holds": ""}}, "claim C2: holds: is empty: give it a text, or leave it out"),
        ({"statement": "a\0b"}, "claims.1.statement: holds the character '\\x00'"),
        ({"kind": "gap-falls", "share": None, "before": [0.1, 0.2], "limit": -5}, "claim C2: limit must be an accuracy gap above 0, and 1 at most, not -5"),
        ({"kind": "gap-falls", "share": None, "before": [-3, 0.2], "limit": 0.1}, "before must be two accuracy gaps from 0 to 1, the smaller first, not -3 and 0.2"),
        ({"kind": "gap-falls", "share": None, "before": [0.2, 0.1], "limit": 0.1}, "the smaller first, not 0.2 and 0.1"),
        ({"kind": "less-than-control", "share": None, "defences": ["scratch"], "statement": "s", "plain": {"asks": "a", "measured": "b"}}, "claim C2: defences: scratch has no control"),
        ({"kind": "witness", "share": None, "defences": [], "datasets": ["adult"], "statement": "s", "plain": {"asks": "a", "measured": "b"}}, "kind witness does not know `datasets`"),
        ({3: 4}, "the key '3' is not text"),
    ],
)  # fmt: skip
def test_mistakes_are_refused_in_one_line(tmp_path, change, said):
    found = raw()
    found["claims"][1] |= change
    name = written(tmp_path, found)
    if said is None:  # what is no name is text: nothing is looked up in it
        assert papers.load(name).claims[1].say("statement", {}) == change["statement"]
        return
    with pytest.raises(PopleakError) as error:
        papers.load(name)
    assert said in str(error.value) and str(error.value).startswith(name) and "\n" not in str(error.value)


def test_a_paper_that_is_not_there():
    with pytest.raises(PopleakError, match="'fair' is none of fair-finetuning"):
        papers.load("fair")
    with pytest.raises(PopleakError, match=r"'nowhere\.yaml': cannot be read"):
        papers.load("nowhere.yaml")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a\0b.yaml", "'a\\x00b.yaml': cannot be read (embedded null byte)"),
        ("a\ud800b.yaml", "cannot be read ('utf-8' codec"),
        ("x" * 300 + ".yaml", "cannot be read (File name too long)"),
        ("a\nb.yaml", "'a\\nb.yaml': cannot be read (No such file"),
        (
            "fair_finetuning",
            "'fair_finetuning' is none of fair-finetuning (did you mean 'fair-finetuning'?): choose one",
        ),
    ],
)
def test_a_name_that_no_file_can_have_is_one_line(name, said):
    with pytest.raises(PopleakError) as error:
        papers.load(name)
    assert said in str(error.value) and str(error.value).isprintable()


def test_plugins_are_named_as_in_a_config(tmp_path):
    found = raw()
    found["claims"][0] |= {"datasets": ["acs_income"], "defences": ["fft_rehearsal"]}
    claim = papers.load(written(tmp_path, found)).claims[0]
    assert (claim.datasets, claim.defences) == (("acs-income",), ("fft-rehearsal",))


def test_a_plugin_of_another_distribution_may_be_named(tmp_path, monkeypatch):
    known = plugins.modules
    monkeypatch.setattr(plugins, "modules", lambda kind: {**known(kind), "theirs": f"theirs.{kind}"})
    found = raw()
    found["claims"][1] |= {"datasets": ["theirs"], "defences": ["theirs"]}
    assert papers.load(written(tmp_path, found)).claims[1].defences == ("theirs",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": ""}, "title: is empty: give it a text"),
        ({"reference": " "}, "reference: is empty"),
        ({"claims": []}, "claims: there is none: give one"),
        ({"absent": [{"what": "a", "why": ""}]}, "absent.0: `what` and `why` must not be empty"),
    ],
)
def test_a_paper_says_what_it_is(tmp_path, change, said):
    name = written(tmp_path, raw() | change)
    with pytest.raises(PopleakError) as error:
        papers.load(name)
    assert str(error.value).startswith(f"{name}: {said}")


def test_a_statistic_that_is_no_attack_is_refused(tmp_path):
    with pytest.raises(
        PopleakError, match=r"statistic: no attack 'acuracy-gap' \(did you mean 'accuracy-gap'\?\): `popleak list att"
    ):
        papers.load(written(tmp_path, raw() | {"statistic": "acuracy_gap"}))
    assert papers.load(written(tmp_path, raw() | {"statistic": "accuracy_gap"})).statistic == "accuracy-gap"


def test_what_the_report_alone_shows_judges_no_claim_anew():
    paper = papers.load("fair-finetuning")
    judged = paper.judged()
    assert paper.question and paper.absent and all(claim.short for claim in paper.claims)
    assert (judged.question, judged.statistic, judged.absent) == ("", "", ()) and judged.judged() == judged
    assert [claim.statement for claim in judged.claims] == [claim.statement for claim in paper.claims]
