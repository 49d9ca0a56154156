"""What all tests of the portal share."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch):
    """No power is cut here: tests/deep/power checks what is synced, and in which order."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
