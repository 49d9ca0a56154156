"""Fixtures that all tests of the portal share."""

import os

import pytest

from channels.portal.storage.atomic_files import StagedFiles


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch):
    """Skip fsync: tests/deep/power checks which files are synced, and in which order."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def staged(monkeypatch):
    """Paths of the files that were rendered, with their sizes."""
    files, stage = [], StagedFiles.stage

    def note(self, path, body):
        if body is not None:
            files.append((path, len(body)))
        stage(self, path, body)

    monkeypatch.setattr(StagedFiles, "stage", note)
    return files
