"""Fixture of the sandbox's own tests."""

import pytest


@pytest.fixture
def zalo(sandbox_client):
    """A program that calls the sandbox."""
    return sandbox_client
