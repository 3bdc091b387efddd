"""Waiting for what happens in a page of Chromium."""

import time


def until(page, expression: str) -> None:
    """Wait until it is true; the page's policy does not allow scripts that a test would put into it."""
    end = time.monotonic() + 120
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.05)
