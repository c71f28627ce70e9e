"""One thread for every test, and an order in which several processes finish at about the same time."""

from __future__ import annotations

import os

import pytest

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy and torch are imported


@pytest.hookimpl(tryfirst=True)  # before the marks are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the tests that run Snakemake, the longest; tests that share a module's fixture stay in one process."""
    items.sort(key=lambda item: item.get_closest_marker("dag") is None)
    for item in items:
        if _shares(item):
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


def _shares(item: pytest.Item) -> bool:
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return False
    return any(found[-1].scope == "module" for found in info.name2fixturedefs.values())
