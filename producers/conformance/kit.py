"""One run of the conformance kit over everything that it was given."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from contracts.errors import FieldError, Invalid, unknown_word_values
from contracts.schemas import vectors
from contracts.vocabulary import Vocabulary
from producers.conformance.door import RecordingDoor
from producers.conformance.live import LiveDoor, try_door, unit_of_key
from producers.conformance.recordings import read_recordings
from producers.conformance.report import ConformanceReport, make_report
from producers.conformance.rules import Finding, Judge, Rule, finding
from producers.conformance.scenario import Scenario, Step
from producers.texts import get_text

_GRACE_S = 3.0
"""After the last step a refused event may still come again, which is an error."""
_POLL_S = 0.2
_SILENCE_S = 35.0
"""Longer than a sender waits for an answer."""


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that a run judges: recordings, a Loa, a sender that calls, answers to vectors."""

    sources: tuple[str, ...] = ()
    key: str = ""
    unit: str = ""
    publish: bool = False
    vectors: Path | None = None
    listen: str = ""
    steps: tuple[Step, ...] = ()
    seconds: float = 600.0

    @property
    def urls(self) -> list[str]:
        return [source.rstrip("/") for source in self.sources if _is_url(source)]

    @property
    def paths(self) -> list[Path]:
        return [Path(source) for source in self.sources if not _is_url(source)]


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def read_steps(text: str) -> tuple[Step, ...]:
    """The steps of a scenario, as in `202,503,cut`. Raises Invalid."""
    words = [word.strip() for word in text.split(",")]
    known = [step.value for step in Step]
    for word in words:
        if word not in known:
            values = unknown_word_values(word, known)
            values["known"] = ", ".join(known)
            raise Invalid(get_text("conformance", "no_step", **values).as_field_error("--steps"))
    return tuple(map(Step, words))


def run(
    task: Task, vocabulary: Vocabulary, tell: Callable[[FieldError], None]
) -> ConformanceReport:
    """Judge everything; *tell* where the door listens. Raises Invalid, OSError from a Loa."""
    judge = Judge(vocabulary, task.unit)
    for sent in read_recordings(task.paths):
        judge.judge(sent)
    if task.vectors:
        judge.add_result(Rule.VECTORS, _vector_findings(task.vectors))
    for url in task.urls:
        judge.add_result(Rule.DOOR, _door_findings(url, task))
    left = _listen(judge, task, tell) if task.listen else []
    judge.finish()
    if not judge.results and not task.listen:
        raise Invalid(get_text("conformance", "nothing").as_field_error("SOURCES"))
    return make_report(judge, left)


def _vector_findings(file: Path) -> Iterator[Finding]:
    """Differences of a document of vectors with the sender's own answers."""
    try:
        differences = vectors.find_differences(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        text = get_text("conformance", "no_vectors", detail=error)
        raise Invalid(text.as_field_error(str(file))) from error
    for line in differences:
        difference = get_text("conformance", "vector").as_field_error(line)
        yield finding(str(file), Rule.VECTORS, difference)


def _door_findings(url: str, task: Task) -> Iterator[Finding]:
    if not task.key:
        text = get_text("conformance", "needs_key", url=url)
        raise Invalid(text.as_field_error("--key"))
    door = LiveDoor(url, task.key, task.unit or unit_of_key(task.key))
    for error in try_door(door, task.publish):
        yield finding(url, Rule.DOOR, error)


def _listen(judge: Judge, task: Task, tell: Callable[[FieldError], None]) -> list[str]:
    """Serve the sender until the scenario is over; the steps that were not met."""
    host, _, port = task.listen.rpartition(":")
    scenario = Scenario(task.steps, _SILENCE_S)
    try:
        door = RecordingDoor(judge, scenario, host or "127.0.0.1", int(port))
    except (ValueError, OverflowError) as error:
        text = get_text("conformance", "no_address", value=task.listen)
        raise Invalid(text.as_field_error("--listen")) from error
    with door:
        text = get_text("conformance", "listens", url=door.url, seconds=f"{task.seconds:g}")
        tell(text.as_field_error("--listen"))
        _wait(door, task.seconds)
    return [step.value for step in scenario.left]


def _wait(door: RecordingDoor, seconds: float) -> None:
    """Wait for the last step and the grace after it, for the time limit, or for Ctrl-C."""
    end, never = time.monotonic() + seconds, Event()
    done_at: float | None = None
    try:
        while (now := time.monotonic()) < end:
            done_at = (done_at or now) if door.is_done() else None
            if done_at is not None and now - done_at >= _GRACE_S:
                return
            never.wait(_POLL_S)
    except KeyboardInterrupt:
        return
