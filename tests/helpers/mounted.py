"""File systems that are small or cannot be written, which only a warm Python of their own sees; they end with it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import warm


@functools.cache
def refused() -> str:
    """Return why no file systems can be mounted here; "" if they can."""
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return "no unshare and nsenter (util-linux)"
    done = subprocess.run([*_unshare(), "mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True, text=True)
    return done.stderr.strip().split("\n")[-1] if done.returncode else ""


def _unshare() -> list[str]:
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", "--mount", *own]


class Mounts:
    """A warm Python, and what is mounted for it. `seen` is where this process finds a path of its."""

    def __init__(self) -> None:
        self.python, self.server = warm.started(*_unshare())

    def mount(self, *words: str) -> None:
        own = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        enter = ["nsenter", f"--target={self.server.pid}", *own, "--mount", "mount", *words]
        subprocess.run(enter, check=True, capture_output=True)

    def seen(self, path: Path) -> Path:
        return Path(f"/proc/{self.server.pid}/root{path}")
