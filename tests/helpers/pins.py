"""The lists of versions in envs."""

from __future__ import annotations

from packaging.utils import canonicalize_name
from packaging.version import Version

import tiny


def pinned(name: str) -> dict[str, Version]:
    """Return the version of each package in a list of envs."""
    lines = (tiny.ROOT / "envs" / name).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(one): Version(version) for one, version in pairs}


LOWEST, NEWEST, S3 = pinned("lowest.txt"), pinned("constraints.txt"), pinned("constraints-s3.txt")
