"""The pytest plugin: Loa's contract checks as fixtures."""

from collections.abc import Callable
from typing import Any

import pytest

from contracts.events import Event
from contracts.testing.check import check_event
from contracts.testing.samples import sample
from contracts.vocabulary import DEFAULT, Vocabulary


@pytest.fixture
def loa_check_event() -> Callable[..., Event]:
    """`check_event`: raises an assertion error that names each broken field."""
    return check_event


@pytest.fixture
def loa_sample() -> Callable[..., dict[str, Any]]:
    """`sample`: a good event of a kind, changed by keyword."""
    return sample


@pytest.fixture
def loa_vocabulary() -> Vocabulary:
    """The units, topics and audiences that Loa ships with."""
    return DEFAULT
