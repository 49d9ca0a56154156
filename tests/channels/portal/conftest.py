"""Fixtures that all tests of the portal share."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch):
    """Skip fsync: tests/deep/power checks which files are synced, and in which order."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
