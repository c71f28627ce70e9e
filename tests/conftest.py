"""One thread for every test, and an order in which several processes finish at about the same time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy and torch are imported


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the smoke experiment, only to be read."""
    import runs

    return runs.smoke(tmp_path_factory)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files of tests that run Snakemake, the longest, then with those of other slow tests."""
    marks = ("dag", "slow")
    first = {item.path: len(marks) for item in items}
    for item in items:
        first[item.path] = min(
            [first[item.path], *(rank for rank, mark in enumerate(marks) if item.get_closest_marker(mark))]
        )
    items.sort(key=lambda item: first[item.path])
