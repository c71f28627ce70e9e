"""Virtual environments that hold this package as a wheel, and take everything else from the environment of the tests."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import tiny

SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "Snakefile", "config.yaml", "workflow")
SHARED = "zz_shared.pth"
"""Read after what an environment itself holds."""


def sources(folder: Path) -> Path:
    """Copy what the package is built from; return the folder."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        origin = tiny.ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(origin, folder / name)
    return folder


def sdist(origin: Path, folder: Path) -> Path:
    """Build the source distribution of a package; return its file."""
    code = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=origin,
        env=_strange(),
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / said.stdout.splitlines()[-1]


def wheel(origin: Path, folder: Path) -> Path:
    """Build the wheel of a package, from its folder or its source distribution, with the tools that are there; return its file."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(origin))
    (found,) = folder.glob("*.whl")
    return found


def environment(folder: Path, *wheels: Path) -> Path:
    """Make a virtual environment with wheels in it, and return its folder of programs. Its own packages come before those of the tests."""
    venv.create(folder, with_pip=False)
    _pip(
        "--python",
        str(folder / "bin" / "python"),
        "install",
        "--ignore-installed",
        "--no-deps",
        "--no-index",
        *map(str, wheels),
    )
    (packages,) = folder.glob("lib/python3*/site-packages")
    shared = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / SHARED).write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in shared))
    return folder / "bin"


def without(programs: Path, *packages: str) -> None:
    """Take packages of these names out of an environment: it then shares links to all others."""
    (own,) = programs.parent.glob("lib/python3*/site-packages")
    links = programs.parent / "links"
    links.mkdir()
    for shared in map(Path, site.getsitepackages()):
        for path in shared.iterdir() if shared.is_dir() else ():
            if re.split(r"[-.]", path.name)[0] not in packages and not (links / path.name).exists():
                (links / path.name).symlink_to(path)
    (own / SHARED).write_text(f"import site; site.addsitedir({str(links)!r})\n")


def run(programs: Path, *words: str, cwd: Path, status: int = 0) -> str:
    """Run a program of an environment as a stranger would, with no path to the checkout; return stdout and stderr."""
    done = subprocess.run(
        [str(programs / words[0]), *words[1:]], cwd=cwd, env=_strange(), capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    return said


def _strange() -> dict[str, str]:
    """Return the environment without what leads to the checkout or its data."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "POPLEAK_DATA")}


def _pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words],
        env=_strange(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
