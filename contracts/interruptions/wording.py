"""The wording of an interruption for readers: the same facts in the same order on every channel."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from contracts.catalog import load_texts
from contracts.interruptions.interruption import Interruption
from contracts.text.moments import VIETNAM, format_moment_in_sentence

_TEXTS = Path(__file__).with_name("texts.toml")


class StatedFact(NamedTuple):
    """A fact with its label. `at`: the point in time that it is."""

    label: str
    value: str
    at: datetime | None = None


def stated_facts(interruption: Interruption) -> tuple[StatedFact, ...]:
    """The facts in their order; once services work again, no time is expected any more."""
    return tuple(_facts(interruption))


def summary_of(interruption: Interruption) -> str:
    """One sentence for lists, where a text has no summary of its own."""
    resumed = interruption.resumed_at
    return str(_texts()["summary_resumed" if resumed else "summary"]).format(
        begins=_moment(interruption.begins_at),
        ends=_moment(resumed or interruption.expected_recovery_at),
        services="; ".join(interruption.services),
    )


def _facts(said: Interruption) -> Iterator[StatedFact]:
    labels, resumed = _texts()["label"], said.resumed_at
    end = (
        ("resumed_at", resumed) if resumed else ("expected_recovery_at", said.expected_recovery_at)
    )
    yield StatedFact(labels["services"], "; ".join(said.services))
    for name, at in (("begins_at", said.begins_at), end):
        yield StatedFact(labels[name], _moment(at), at)
    for name in ("cause", "alternative", "force_majeure"):
        if value := getattr(said, name):
            yield StatedFact(labels[name], value)


def _moment(at: datetime) -> str:
    weekday = _texts()["weekdays"][at.astimezone(VIETNAM).weekday()]
    return str(_texts()["moment"]).format(at=format_moment_in_sentence(at), weekday=weekday)


def _texts() -> dict[str, Any]:
    return load_texts(_TEXTS)
