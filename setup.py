"""Puts the workflow into the wheel: the files that `workflow/popleak/core/home.py` lists, which lie outside the package.

They are copied when the wheel is built, so that the repository holds each once. Everything else is in pyproject.toml.
"""

import importlib.util
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("home", ROOT / "workflow" / "popleak" / "core" / "home.py")
home = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(home)


class BuildWithWorkflow(build_py):
    """The usual build, and the workflow's files inside the package."""

    def run(self):
        super().run()
        if not self.editable_mode:  # that uses the checkout itself
            home.copy(ROOT, Path(self.build_lib) / "popleak" / home.INSIDE)

    def get_outputs(self, include_bytecode=True):
        made = Path(self.build_lib) / "popleak" / home.INSIDE
        inside = [] if self.editable_mode else [str(made / path) for path in home.files(ROOT)]
        return [*super().get_outputs(include_bytecode), *inside]


setup(cmdclass={"build_py": BuildWithWorkflow})
