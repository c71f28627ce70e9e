"""A browser for the tests of pages. A module of tests has its page in a fixture `report`."""

from __future__ import annotations

import pytest

from browsing import CHROMIUM, WIDE


@pytest.fixture(scope="module")
def browser():
    from playwright import sync_api

    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def opened(browser, report):
    """Open the report; what went wrong, and what it asked for outside itself, fails the test at its end."""
    contexts, wrong = [], []

    def open_(viewport=WIDE, at=report, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request", lambda one: wrong.append(one.url) if not one.url.startswith(("data:", at.as_uri())) else None
        )
        page.goto(at.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong
