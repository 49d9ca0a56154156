"""Scenario of the recording door: how it answers the first try of each event."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from contracts.errors import FieldError, field_error
from contracts.events import CheckedEvent
from producers.conformance.recordings import EVENTS_PATH
from producers.texts import get_text

RETRY_AFTER_S = 2
_READ_LIMIT_S = 30
"""The time that Loa takes for a body: READ_TIMEOUT_S of the gateway."""
_AT_ONCE = 200
"""The events that a dry run says the unit may send."""


class Step(StrEnum):
    """The answer to the first try of a valid event."""

    ACCEPT = "202"
    UNAVAILABLE = "503"
    TOO_MANY = "429"
    SLOW = "408"
    CUT = "cut"
    SILENCE = "silence"
    REFUSE = "422"


DEFAULT_STEPS = "202,503,429,408,cut,silence,422"


class Answer(NamedTuple):
    """An answer of the door; status 0 ends the connection without one."""

    status: int
    body: Mapping[str, Any] = MappingProxyType({})
    retry_after_s: int = 0
    silence_s: float = 0.0


@dataclass
class Scenario:
    """Steps for the events of a sender, in the order of their first tries; then all is accepted."""

    steps: Sequence[Step]
    silence_s: float
    retry_after_s: int = RETRY_AFTER_S
    given: dict[str, Step] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def answer(self, events: Sequence[CheckedEvent]) -> Answer:
        """The answer to a request with these events, by its first one."""
        event_id = events[0].event_id
        if event_id not in self.given:
            number = len(self.given)
            self.given[event_id] = self.steps[number] if number < len(self.steps) else Step.ACCEPT
        step = self.given[event_id]
        if event_id in self.answered and step is not Step.REFUSE:
            step = Step.ACCEPT
        self.answered.add(event_id)
        return self._answer(step, events)

    @property
    def left(self) -> list[Step]:
        """The steps that no event has met yet."""
        return list(self.steps[len(self.given) :])

    def _answer(self, step: Step, events: Sequence[CheckedEvent]) -> Answer:
        match step:
            case Step.ACCEPT:
                return Answer(202, _accepted(events))
            case Step.CUT:
                return Answer(0)
            case Step.SILENCE:
                return Answer(0, silence_s=self.silence_s)
            case Step.SLOW:
                error = get_text("problem", "slow", limit_s=_READ_LIMIT_S).as_field_error("body")
                return Answer(408, problem(408, [error]))
            case Step.REFUSE:
                error = get_text("conformance", "refused_on_purpose").as_field_error("data.title")
                return Answer(422, problem(422, [error]))
        error = field_error("event", "unavailable", retry_after_s=self.retry_after_s)
        return Answer(int(step), problem(int(step), [error]), self.retry_after_s)


def _accepted(events: Sequence[CheckedEvent]) -> dict[str, Any]:
    answers: list[dict[str, Any]] = [
        {
            "event_id": event.event_id,
            "content_id": event.content_id,
            "revision": event.revision,
            "status_url": f"{EVENTS_PATH}/{event.event_id}",
        }
        for event in events
    ]
    return answers[0] if len(answers) == 1 else {"events": answers}


def outlook(events: Sequence[CheckedEvent], known: Container[str]) -> Answer:
    """The answer to a dry run: each event would be taken, and reach no reader."""
    answers: list[dict[str, Any]] = [
        {
            "event_id": event.event_id,
            "content_id": event.content_id,
            "revision": event.revision,
            "is_known": event.event_id in known,
            "refusals": [],
            "warnings": [one.model_dump() for one in event.warnings],
            "release": "automatic",
            "lane": None,
            "channels": {},
            "previews": {},
        }
        for event in events
    ]
    quota = {"per_minute": _AT_ONCE, "at_once": _AT_ONCE, "left": _AT_ONCE}
    return Answer(200, {"dry_run": True, "events": answers, "quota": quota})


def problem(status: int, errors: Sequence[FieldError]) -> dict[str, Any]:
    """The body of a refusal."""
    title = get_text("problem", str(status))
    listed = [error.model_dump(include={"field", "message", "message_vi"}) for error in errors]
    names = {"title": title.en, "title_vi": title.vi, "status": status}
    return {"type": "about:blank", **names, "errors": listed}
