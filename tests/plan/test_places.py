"""A bucket without credentials. Links and files in the way are in tests/cli/test_inventory.py."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from popleak.core.errors import PopleakError
from popleak.plan import places


def client(found: object) -> SimpleNamespace:
    """Return a stand-in for boto3, which is not among the package's requirements, that finds these credentials."""
    session = SimpleNamespace(get_credentials=lambda: found)
    return SimpleNamespace(session=SimpleNamespace(Session=lambda: session))


def given(key: str | None) -> SimpleNamespace:
    return SimpleNamespace(access_key=key)


def test_a_bucket_without_credentials_is_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", client(None))
    with pytest.raises(
        PopleakError, match=r"^no credentials for the bucket: set SNAKEMAKE_STORAGE_S3_ACCESS_KEY"
    ) as error:
        places.reachable("s3", given(None))
    assert "\n" not in str(error.value)


def test_credentials_from_either_place_will_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", client("of the client's own files"))
    places.reachable("s3", given(None))
    monkeypatch.setitem(sys.modules, "boto3", None)  # not even looked at
    places.reachable("s3", given("a key"))


@pytest.mark.parametrize("provider", [None, "gcs"])
def test_a_folder_and_other_services_are_not_asked_about(monkeypatch, provider):
    monkeypatch.setitem(sys.modules, "boto3", None)
    places.reachable(provider, None)
