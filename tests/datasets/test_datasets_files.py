"""Datasets read from files: made-up census files, and the real files where POPLEAK_DATA says where they are."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pydantic
import pytest
import yaml

from dataset_checks import EXAMPLES, REAL
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _fetch
from popleak.datasets._acs_groups import GROUPS
from popleak.datasets.acs_income import FIPS, KNOWN, OCCUPATIONS
from popleak.datasets.acs_income import Options as AcsOptions
from popleak.datasets.base import Records
from popleak.testing.contracts import check_records

DATA = os.environ.get("POPLEAK_DATA")
EXPERIMENTS = Path(__file__).parents[2] / "workflow" / "experiments"


# ---- made-up census files


def person_file(path: Path, *, state: str, rows: int = 3000, relation: str = "RELP", seed: int = 0, **columns):
    """Write a made-up person zip with columns that nobody asked for; return it as a data frame. columns: instead of its own."""
    pd = pytest.importorskip("pandas")
    random = np.random.default_rng(seed)
    pick = lambda *values: random.choice(np.array(values, dtype=float), rows)  # noqa: E731
    frame = pd.DataFrame(
        {
            "SERIALNO": [f"2018GQ{number:07d}" for number in range(rows)],
            ("STATE" if relation == "RELSHIPP" else "ST"): float(FIPS[state]),
            "AGEP": pick(15, 16, 17, 18, 40, 99),
            "COW": pick(1, 2, 8, np.nan),
            "SCHL": pick(1, 16, 21, 24),
            "MAR": pick(1, 3, 5),
            "OCCP": pick(10, 440, 500, 1005, 4720, 9830, 9920, np.nan),
            "POBP": pick(1, 6, 56, 60, 303),
            relation: pick(20, 28, 38) if relation == "RELSHIPP" else pick(0, 16, 17),
            "WKHP": pick(np.nan, 0, 1, 40, 99),
            "SEX": pick(1, 2),
            "RAC1P": pick(1, 2, 6, 9),
            "PINCP": pick(np.nan, -60, 0, 100, 101, 50000, 50001, 200000),
            "PWGTP": pick(0, 1, 30),
            **columns,
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ACS2018_PUMS_README.pdf", b"%PDF not a table")
        archive.writestr(f"psam_p{FIPS[state]:02d}.csv", frame.to_csv(index=False))
    return frame


def load_person(paths: dict[str, Path], *, attribute: str = "sex", **options) -> Records:
    plugin = plugins.load("datasets", "acs-income")
    chosen = AcsOptions.model_validate(options)
    assert [source.file for source in plugin.sources(chosen)] == list(paths)
    return plugin.load(files=paths, label="income", attribute=attribute, options=chosen, seed=0)


def test_task_is_folktables(tmp_path):
    acs = pytest.importorskip("folktables.acs")
    frame = person_file(tmp_path / "csv_pnv.zip", state="NV")
    records = load_person({"2018/csv_pnv.zip": tmp_path / "csv_pnv.zip"}, states=["NV"])
    check_records(records)
    x, y, _ = acs.ACSIncome.df_to_numpy(frame)
    assert 0 < len(y) < len(frame)
    assert np.array_equal(records.y, y.astype(np.int8))
    column = {name: x[:, i] for i, name in enumerate(acs.ACSIncome.features)}
    assert np.array_equal(records.a, column["SEX"] == 2)
    ours = dict(zip(records.features, records.x.T, strict=True))
    for name in ("AGEP", "SCHL", "WKHP"):
        expected = (column[name] - column[name].mean()) / column[name].std()
        assert np.allclose(ours[name], expected, atol=1e-5)
    for name in ("MAR", "RELP", "RAC1P"):
        for value in np.unique(column[name]):
            assert np.array_equal(ours[f"{name}={int(value)}"], column[name] == value)
    assert np.array_equal(ours["POBP=us"], column["POBP"] <= 56)
    assert np.array_equal(ours["OCCP=management"], np.isin(column["OCCP"], (10, 440)))
    assert set(acs.ACSIncome.features) == {name.split("=")[0] for name in ours} | {"SEX"}
    assert records.facts["relationship"] == "RELP"
    assert records.facts["second_attribute"] == "race"
    named = np.array(records.facts["subgroups"])[records.subgroup]
    assert np.array_equal(
        named, np.array(["other", "White", "Black"])[np.where(column["RAC1P"] < 3, column["RAC1P"], 0).astype(int)]
    )


def test_person_states_and_years(tmp_path):
    person_file(tmp_path / "a.zip", state="AL", seed=1)
    person_file(tmp_path / "b.zip", state="WY", seed=2)
    one = load_person({"2018/csv_pal.zip": tmp_path / "a.zip"}, states=["AL"])
    two = load_person(
        {"2018/csv_pal.zip": tmp_path / "a.zip", "2018/csv_pwy.zip": tmp_path / "b.zip"}, states=["AL", "WY"]
    )
    assert len(two.y) > len(one.y)
    assert np.array_equal(two.y[: len(one.y)], one.y)
    person_file(tmp_path / "c.zip", state="AL", relation="RELSHIPP")
    later = load_person({"2021/csv_pal.zip": tmp_path / "c.zip"}, states=["AL"], year=2021)
    assert later.facts["relationship"] == "RELSHIPP"
    race = load_person({"2018/csv_pal.zip": tmp_path / "a.zip"}, states=["AL"], attribute="race")
    assert race.groups == ("White", "Black")
    assert race.facts["rows_in_neither_group"] == len(one.y) - len(race.y) > 0
    assert not any(name.startswith("RAC1P") for name in race.features)
    assert any(name.startswith("SEX") for name in race.features)


def test_the_second_attribute_is_chosen(tmp_path):
    paths = {"2018/csv_pal.zip": tmp_path / "a.zip", "2018/csv_pwy.zip": tmp_path / "b.zip"}
    sizes = [
        len(load_person({name: path}, states=[state]).y)
        for (name, path), state in zip(paths.items(), ("AL", "WY"), strict=True)
        if len(person_file(path, state=state, seed=len(state)))
    ]
    usual, state = (load_person(paths, states=["AL", "WY"], **more) for more in ({}, {"second": "state"}))
    named = np.array(state.facts["subgroups"])[state.subgroup]
    assert state.facts["second_attribute"] == "state" and named.tolist() == ["AL"] * sizes[0] + ["WY"] * sizes[1]
    assert usual.facts["second_attribute"] == "race" and np.array_equal(usual.x, state.x)
    job = load_person(paths, states=["AL", "WY"], second="employer")
    assert set(job.facts["subgroups"]) == {"private", "other"} and np.array_equal(usual.y, job.y)
    with pytest.raises(PopleakError, match=r"^options\.second: 'sex' is the attribute itself: name another"):
        load_person(paths, states=["AL", "WY"], second="sex")
    with pytest.raises(ValueError, match="'job' is unknown: choose from state, sex, race"):
        AcsOptions(second="job")
    assert "second" not in AcsOptions().resolved() and AcsOptions(second="state").resolved()["second"] == "state"


# of each attribute: its column, and which codes make group 0 and group 1, written out
PEOPLE = {
    "age": ("AGEP", lambda code: code < 40, lambda code: code >= 40),
    "marital": ("MAR", lambda code: code == 1, lambda code: code == 5),
    "education": ("SCHL", lambda code: code >= 21, lambda code: code < 21),
    "birthplace": ("POBP", lambda code: code <= 56, lambda code: code > 56),
    "employer": ("COW", lambda code: code.isin([1, 2]), lambda code: code.isin([3, 4, 5])),
}


@pytest.mark.parametrize("attribute", PEOPLE)
def test_groups_of_people(tmp_path, attribute):
    pick = lambda seed, *values: np.random.default_rng(seed).choice(np.array(values, dtype=float), 3000)  # noqa: E731
    values = {
        "COW": pick(1, 1, 2, 3, 4, 5, 6, 7, 8, np.nan),
        "MAR": pick(2, 1, 2, 3, 4, 5),
        "POBP": pick(3, 1, 56, 60, 72, 554),
    }
    frame = person_file(
        tmp_path / "a.zip", state="AL", **values, AGEP=pick(4, 16, 17, 39, 40, 99), SCHL=pick(5, 1, 20, 21, 24)
    )
    records = load_person({"2018/csv_pal.zip": tmp_path / "a.zip"}, states=["AL"], attribute=attribute)
    check_records(records)
    kept = frame[(frame["AGEP"] > 16) & (frame["PINCP"] > 100) & (frame["WKHP"] > 0) & (frame["PWGTP"] >= 1)]
    column, *rules = PEOPLE[attribute]
    member = [rule(kept[column]) for rule in rules]
    either = kept[member[0] | member[1]]
    assert records.facts["rows_in_neither_group"] == len(kept) - len(either)
    assert np.array_equal(records.a, member[1][either.index])
    assert np.array_equal(records.y, either["PINCP"] > 50000)
    features = {feature.split("=")[0] for feature in records.features}
    assert features == {"AGEP", "WKHP", "SCHL", "COW", "MAR", "OCCP", "POBP", "SEX", "RAC1P", "RELP"} - {column}
    assert records.facts["second_attribute"] == "sex"
    assert (len(either) < len(kept)) == (attribute in ("marital", "employer"))


def test_a_missing_code_is_in_no_group():
    pd = pytest.importorskip("pandas")
    for groups in GROUPS.values():
        assert groups.of(pd.DataFrame({groups.column: [-1]})).tolist() == [-1]


def test_groups_share_no_code_and_lie_within_the_survey():
    for groups in GROUPS.values():
        first, second = map(set, groups.codes)
        assert not first & second
        assert first | second <= set(KNOWN[groups.column])
    # where nobody is left out, every code that may occur among people above 16 has a group
    for name in ("age", "education", "birthplace"):
        assert {code for codes in GROUPS[name].codes for code in codes} == set(KNOWN[GROUPS[name].column]) - (
            set(range(17)) if name == "age" else set()
        )


def test_person_source_is_the_bureau():
    plugin = plugins.load("datasets", "acs-income")
    (source,) = plugin.sources(AcsOptions(format="person"))
    assert source.url == "https://www2.census.gov/programs-surveys/acs/data/pums/2018/1-Year/csv_pca.zip"
    assert plugin.card(AcsOptions()).rows == 195665
    assert plugin.card(AcsOptions(states=("NY",))).rows is None


def test_california_with_wrong_counts_is_refused(tmp_path):
    person_file(tmp_path / "a.zip", state="CA")
    with pytest.raises(PopleakError, match=r"csv_pca\.zip: rows: expected 195665, found"):
        load_person({"2018/csv_pca.zip": tmp_path / "a.zip"})


def test_person_file_errors(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"<html>busy</html>")
    with pytest.raises(PopleakError, match=r"a\.zip: not a person file"):
        load_person({"2018/csv_pal.zip": path}, states=["AL"])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("psam_p01.csv", "AGEP,WKHP\n1,2\n")
    with pytest.raises(PopleakError, match="lacks column"):
        load_person({"2018/csv_pal.zip": path}, states=["AL"])
    person_file(path, state="WY")
    with pytest.raises(PopleakError, match=r"a\.zip: holds people of another state than AL"):
        load_person({"2018/csv_pal.zip": path}, states=["AL"])
    frame = person_file(path, state="AL", COW="Private")
    with pytest.raises(PopleakError, match=r"a\.zip: column 'COW' holds 'Private' in 3,000 rows, and may hold 1 to 9"):
        load_person({"2018/csv_pal.zip": path}, states=["AL"])
    person_file(path, state="AL", MAR="NA")
    with pytest.raises(PopleakError, match=r"a\.zip: column 'MAR' holds 'NA' in 3,000 rows, and may hold 1 to 5"):
        load_person({"2018/csv_pal.zip": path}, states=["AL"])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("psam_p01.csv", "OCCP," + frame.to_csv(index=False).replace("\n", "\n4720,", len(frame)))
    with pytest.raises(PopleakError, match=r"a\.zip: column 'OCCP' is there 2 times"):
        load_person({"2018/csv_pal.zip": path}, states=["AL"])
    header, *rows = frame.to_csv(index=False).splitlines()
    for some in (["1," + rows[0], *rows[1:]], [*rows[:9], "1," + rows[9], *rows[10:]], ["1," + row for row in rows]):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("psam_p01.csv", "\n".join([header, *some]))
        with pytest.raises(PopleakError, match=r"a\.zip: .*(saw 15|more fields than its header)"):
            load_person({"2018/csv_pal.zip": path}, states=["AL"])
    for bad in ({"states": ["ZZ"]}, {"states": []}, {"states": ["AL", "AL"]}, {"year": 2020}, {"year": 2013}):
        with pytest.raises(pydantic.ValidationError):
            AcsOptions.model_validate(bad)


def test_codes_are_robust_and_ordered():
    assert len(FIPS) == 52
    edges = [first for first, _ in OCCUPATIONS]
    assert edges == sorted(set(edges))
    module = sys.modules[type(plugins.load("datasets", "acs-income")).__module__]
    codes = np.array([-1, 0, 10, 440, 500, 950, 1005, 2100, 4255, 4300, 6765, 9760, 9830, 9920, 12345])
    assert module._occupation(codes).tolist() == [
        *("missing", "management", "management", "management", "business", "finance", "computers", "legal"),
        *("cleaning", "personal-care", "construction", "transport", "military", "none", "none"),
    ]


# ---- real files


def real(*, name: str, label: str | None = None, attribute: str, **options) -> Records:
    """Load a dataset from the real files; skip where they are not."""
    plugin = plugins.load("datasets", name)
    chosen = plugin.Settings.model_validate(options or EXAMPLES.get(name, {}))
    sources = plugin.sources(chosen)
    files = {source.file: _fetch.locate(name, source, DATA) for source in sources}
    if DATA is None or None in files.values():
        pytest.skip("POPLEAK_DATA does not point to a folder with the files")
    for source in sources:
        _fetch.verify(files[source.file], source)
    return plugin.load(files=files, label=label or plugin.labels[0], attribute=attribute, options=chosen, seed=0)


# label: all digits that the data's description gives
EXPECTED = {
    ("adult", "sex"): ((32650, 16192), ("30.38", "10.93"), "23.93", 48842),
    ("adult", "race"): ((41762, 48842 - 41762), ("25.40", None), "23.93", 48842),
    ("adult", "female-sales"): ((46895, 1947), ("24.64", "6.88"), "23.93", 48842),
    ("compas", "race"): ((2103, 3175), ("39.1", "52.3"), None, 5278),
    ("compas", "sex"): ((None, None), (None, None), "45.51", 6172),
    ("german", "sex"): ((690, 310), ("72.3", "64.8"), "70.0", 1000),
    ("german", "age"): ((810, 190), ("72.8", "57.9"), "70.0", 1000),
    ("lsac", "race"): ((17491, 3307), ("92.13", "72.30"), "88.97", 20798),
    ("lsac", "sex"): ((11675, 9123), ("89.90", "87.79"), "88.97", 20798),
    ("acs-income", "sex"): ((51967, 48033), ("44.24", "28.73"), "36.79", 100000),
    ("acs-income", "race"): ((78091, 8812), ("38.98", "24.51"), None, 86903),
    ("acs-income", "age"): ((42868, 57132), ("24.09", "46.32"), "36.79", 100000),
    ("acs-income", "marital"): ((54670, 30824), ("47.37", "18.31"), None, 85494),
    ("acs-income", "education"): ((35895, 64105), ("59.74", "23.94"), "36.79", 100000),
    ("acs-income", "birthplace"): ((83678, 16322), ("37.57", "32.78"), "36.79", 100000),
    ("acs-income", "employer"): ((73962, 15076), ("34.85", "46.18"), None, 89038),
}
# features that would give the attribute itself away
CARRIERS = {
    ("adult", "sex"): ("sex",),
    ("adult", "race"): ("race",),
    ("adult", "female-sales"): (),  # sex and occupation stay features: only both together are the property
    ("compas", "race"): ("race",),
    ("compas", "sex"): ("sex",),
    ("german", "sex"): ("status-sex",),
    ("german", "age"): ("age",),
    ("lsac", "race"): ("race",),
    ("lsac", "sex"): ("male",),
    ("acs-income", "sex"): ("SEX",),
    ("acs-income", "race"): ("RAC1P",),
    ("acs-income", "age"): ("AGEP",),
    ("acs-income", "marital"): ("MAR",),
    ("acs-income", "education"): ("SCHL",),
    ("acs-income", "birthplace"): ("POBP",),
    ("acs-income", "employer"): ("COW",),
}
ALLOWED = {
    "adult": "age education-num capital-gain capital-loss hours-per-week workclass marital-status occupation "
    "relationship race sex native-country",
    "compas": "age juv_fel_count juv_misd_count juv_other_count priors_count c_charge_degree race sex",
    "german": "checking duration history purpose amount savings employment installment-rate status-sex debtors "
    "residence property age other-plans housing credits job liable telephone foreign",
    "lsac": "decile1b decile3 lsat ugpa zfygpa zgpa fam_inc tier fulltime male race",
    "acs-income": "AGEP WKHP SCHL COW MAR OCCP POBP SEX RAC1P RELP",
}


def rounds_to(rate: float, percent: str | None) -> bool:
    """Say whether a rate, as a percentage to the digits of `percent`, is `percent`."""
    return percent is None or f"{100 * rate:.{len(percent.split('.')[1])}f}" == percent


SECOND = {
    ("adult", "sex"): {"White": 41762, "not White": 7080},
    ("adult", "race"): {"Male": 32650, "not Male": 16192},
    ("adult", "female-sales"): {"White": 41762, "not White": 7080},
    ("compas", "race"): {"Male": None, "Female": None},
    ("compas", "sex"): {"Caucasian": 2103, "African-American": 3175, "other": 894},
    ("lsac", "race"): {"Male": 11675, "Female": 9123},
    ("lsac", "sex"): {"White": 17491, "Non-White": 3307},
    ("acs-income", "sex"): {"White": 78091, "Black": 8812, "other": 13097},
    **{("acs-income", one): {"Male": None, "Female": None} for one in ("race", "marital", "employer")},
    **{("acs-income", one): {"Male": 51967, "Female": 48033} for one in ("age", "education", "birthplace")},
}
"""Rows by value of the second attribute, as the other task's card has them; None where rows were left out."""


@pytest.mark.parametrize(("name", "attribute"), EXPECTED)
def test_real_files(name, attribute):
    records = real(name=name, attribute=attribute)
    check_records(records)
    second = SECOND.get((name, attribute))
    assert (records.subgroup is None) == (second is None)
    for code, value in enumerate(records.facts.get("subgroups", ())):
        assert second[value] in (None, (records.subgroup == code).sum())
    told = plugins.load("datasets", name).n_features
    assert told / 2 <= records.x.shape[1] <= told * 2, "what estimates of cost are made with, for either attribute"
    rows, rates, label_rate, total = EXPECTED[name, attribute]
    assert len(records.y) == total
    assert rounds_to(records.y.mean(), label_rate)
    for group in (0, 1):
        assert rows[group] in (None, (records.a == group).sum())
        assert rounds_to(records.y[records.a == group].mean(), rates[group])
    columns = {feature.split("=")[0] for feature in records.features}
    assert columns <= set(ALLOWED[name].split()), "a column that no one allowed"
    assert not columns & set(CARRIERS[name, attribute])
    correlation = np.abs([np.corrcoef(column, records.a)[0, 1] for column in records.x.T])
    assert correlation.max() < 0.95, "a feature copies the attribute"
    label_correlation = np.abs([np.corrcoef(column, records.y)[0, 1] for column in records.x.T])
    assert label_correlation.max() < 0.9, "a feature copies the label"
    assert label_correlation.max() > 0.1, "no feature tells of the label: are rows in one order?"


def test_every_real_task_is_expected():
    assert set(EXPECTED) == {
        (name, attribute) for name in REAL for attribute in plugins.load("datasets", name).attributes
    }


# of all arrays, the features and the facts, as they were before other attributes came beside these two
DIGESTS = {
    ("sex", None): "7bc69b5b23c5da222235e88a27db192664446095fe93a08dece87eea2206fca7",
    ("race", None): "693dbfc3ad2e8d63de199344037a491ae4957c03a265cc4679540984f77cccfb",
    ("sex", ("CA", "TX")): "e989c4072806c6ccf6d1cf56051df8cea5195e4f99353a23c433edd0571e8ae9",
    ("race", ("CA", "TX")): "adb27230ce436f426acd57b71cc66e9c26383a6d1f317f784397a5e7ac7dee1d",
}


@pytest.mark.parametrize(("attribute", "states"), DIGESTS)
def test_committed_results_are_of_these_records(attribute, states):
    """docs/results has ACS Income by sex and race: their records may not change."""
    records = real(name="acs-income", attribute=attribute, format="parquet", states=states)
    digest = hashlib.sha256()
    for values in (records.x, records.y, records.a, records.subgroup):
        digest.update(str((values.dtype, values.shape)).encode() + values.tobytes())
    digest.update(json.dumps([records.features, records.groups, dict(records.facts)], sort_keys=True).encode())
    assert digest.hexdigest() == DIGESTS[attribute, states]


def test_real_california():
    records = real(name="acs-income", attribute="sex", format="parquet", states=["CA"])
    assert len(records.y) == 11772
    assert rounds_to(records.y.mean(), "40.60")
    assert not any(name.startswith("REL") for name in records.features)
    assert records.facts["relationship"] == "absent"


def test_real_compas_reads_no_identifier(monkeypatch):
    pd = pytest.importorskip("pandas")
    frames, read = [], pd.read_csv

    def watched(*positional, **named):
        frames.append(read(*positional, **named))
        return frames[-1]

    monkeypatch.setattr(pd, "read_csv", watched)
    real(name="compas", attribute="race")
    (frame,) = frames
    card = plugins.load("datasets", "compas").card(None)
    assert not set(frame.columns) & set(card.identifiers)
    assert len(frame.columns) == 12


def test_real_adult_files_must_be_unchanged(tmp_path):
    real(name="adult", attribute="sex")  # skips where the files are not
    plugin = plugins.load("datasets", "adult")
    files = {}
    for source in plugin.sources(None):
        lines = _fetch.locate("adult", source, DATA).read_text(encoding="utf-8").splitlines()
        files[source.file] = tmp_path / source.file
        files[source.file].write_text("\n".join(lines[:5] + lines[6:]), encoding="utf-8")
        with pytest.raises(PopleakError, match=f"{source.file}: sha256 expected"):
            _fetch.verify(files[source.file], source)
    with pytest.raises(PopleakError, match=r"adult\.data \+ adult\.test: rows: expected 48842, found 48840"):
        plugin.load(files=files, label="income", attribute="sex", options=None, seed=0)


# ---- the experiment acs-pairings

REGIONS = {
    "Northeast": "CT ME MA NH RI VT NJ NY PA",
    "Midwest": "IL IN MI OH WI IA KS MN MO NE ND SD",
    "South": "DE DC FL GA MD NC SC VA WV AL KY MS TN AR LA OK TX",
    "West": "AZ CO ID MT NV NM UT WY AK CA HI OR WA",
}
"""The regions of the Census Bureau."""


def test_the_places_of_the_pairings_follow_their_rule():
    """All single states, else regions, in which two fifths of two fifths of the smaller group are the rows of a model."""
    pd = pytest.importorskip("pandas")
    path = EXPERIMENTS / "acs-pairings.yaml"
    tasks = yaml.safe_load(path.read_text(encoding="utf-8"))["tasks"]
    (rows,) = {task["rows"] for task in tasks}
    source = AcsOptions(format="parquet").file
    if DATA is None or not (Path(DATA) / "acs_income" / source).is_file():
        pytest.skip("POPLEAK_DATA does not point to a folder with the files")
    frame = pd.read_parquet(Path(DATA) / "acs_income" / source)
    assert [task["attribute"] for task in tasks if "options" not in task] == list(GROUPS)
    for name, groups in GROUPS.items():
        group = pd.Series(groups.of(frame))
        known = frame[group >= 0]
        enough = lambda part, group=group: np.bincount(group[part.index], minlength=2).min() * 4 / 25 >= rows  # noqa: E731
        assert enough(known)
        if name not in ("sex", "race"):
            continue
        single = [(state,) for state, code in FIPS.items() if enough(known[known["ST"] == code])]
        regions = [tuple(region.split()) for region in REGIONS.values()]
        assert sorted(one for region in regions for one in region) == sorted(FIPS.keys() - {"PR"})
        joined = [region for region in regions if enough(known[known["ST"].isin([FIPS[state] for state in region])])]
        wanted = single or joined
        given = [task["options"]["states"] for task in tasks if task["attribute"] == name and "options" in task]
        assert sorted(map(sorted, given)) == sorted(map(sorted, wanted))
