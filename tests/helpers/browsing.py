"""Headless Chromium, driven through Playwright, for the tests of pages."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

CHROMIUM = os.environ.get("POPLEAK_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
needed = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="no Chromium was found, or no playwright: apt install chromium, or set POPLEAK_CHROMIUM; pip install '.[test]'",
)
"""Marks a test that opens a page: skipped where nothing can."""
