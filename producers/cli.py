"""Commands of loa-client: publish, validate, schemas, conformance."""

import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from pydantic import BaseModel

from contracts import events
from contracts.base.working_days import default_working_days
from contracts.cloudevent import CloudEvent
from contracts.content import Corrected, Submitted
from contracts.delivery import Lane
from contracts.envelope import check_size
from contracts.errors import (
    Bilingual,
    ContractError,
    FieldError,
    FieldWarning,
    Invalid,
    Unavailable,
)
from contracts.interruptions.notice_period import check_announced
from contracts.vocabulary import DEFAULT, Vocabulary
from producers import event_file
from producers.access import Access
from producers.admission import expiry_times
from producers.bus import Bus
from producers.command_pages import (
    EXIT_BUS_AWAY,
    EXIT_NEEDS_PERSON,
    SETTINGS,
    Version,
    page,
)
from producers.conformance.report import ConformanceReport, report_lines
from producers.conformance.scenario import DEFAULT_STEPS
from producers.output import (
    EXIT_INVALID,
    EXIT_MACHINE,
    fail,
    print_bilingual,
    print_errors,
    print_field_texts,
    print_json,
)
from producers.publisher import Accepted, Publisher, Spooled
from producers.spool import HAS_LOCKS
from producers.texts import get_text, unknown_schema
from producers.usage_errors import CommandGroup

_EXIT_SPOOLED = 3
_VERDICT_TRIES, _VERDICT_PAUSE_S = 10, 0.2
"""How often, and with which pause, an event that was refused before is looked up."""
_ERROR_LEVEL = 40
_SCHEMAS = Path(events.__file__).parent / "schemas"

app = typer.Typer(
    cls=CommandGroup,
    context_settings=SETTINGS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

File = Annotated[str, typer.Argument(help="A CloudEvent or bare data as JSON; - reads the input.")]
Unit = Annotated[str | None, typer.Option(help="The unit that sends; needed for bare data.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Name = Annotated[str | None, typer.Argument(help="A schema to print; without it, their names.")]


FindRefusal = Callable[[Bus, str, str], Awaitable[Sequence[FieldError]]]
"""The errors of a refused event, by its event_id and content_id; empty for any other."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Settings of the client: bus, spool folder and vocabulary.

    The context's `obj` may be a function that returns them; otherwise the environment is read.
    """

    data_dir: Path
    nats_url: str = ""
    access: Access = field(default_factory=Access)
    find_refusal: FindRefusal | None = None
    """Tells why an event was refused after the door had taken it, where that can be known."""

    @classmethod
    def from_environment(cls) -> "ClientSettings":
        environment = os.environ  # noqa: TID251 - this command is where settings are read
        return cls(
            data_dir=Path(environment.get("LOA_DATA_DIR") or "var"),
            nats_url=environment.get("LOA_NATS_URL", ""),
            access=_read_access(environment),
        )

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary in the data folder, else the default. Raises like `Vocabulary.parse`."""
        path = self.data_dir / "vocabulary.toml"
        text = path.read_text("utf-8") if path.is_file() else ""
        return Vocabulary.parse(text) if text.strip() else DEFAULT

    def find_bus_url(self) -> str | None:
        """LOA_NATS_URL, or the address in `ready.json`; connecting shows whether it is live."""
        if self.nats_url:
            return self.nats_url
        try:
            ready = json.loads((self.data_dir / "run" / "ready.json").read_bytes())
            return str(ready["nats_url"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def drains_at_start(self) -> bool:
        """Whether this folder holds an embedded bus: `loa up` then drains the spool."""
        return not self.nats_url and (self.data_dir / "nats" / "jetstream").is_dir()

    def publisher(self, unit: str) -> Publisher:
        """A publisher on this bus. Raises Invalid for credentials that can't be used."""
        if self.nats_url:
            self.access.check(datetime.now(UTC))
        return Publisher(
            self.find_bus_url(),
            unit,
            self.data_dir / "spool" if HAS_LOCKS else None,
            vocabulary=self.vocabulary,
            access=self.access if self.nats_url else None,
        )


@app.callback()
def loa(version: Version = False) -> None:
    """Send events to Loa, the notification platform of the Ministry of Home Affairs."""


@app.command()
@page(
    Accepted | Spooled,
    {
        0: "accepted now, or known already",
        EXIT_INVALID: "invalid, not allowed, or refused before",
        _EXIT_SPOOLED: "the bus is away: kept, and sent with the next publish",
        EXIT_MACHINE: "the bus is away, and the disk refuses to keep the event: send it again",
    },
    (
        "loa publish item.json",
        "loa publish --unit van-phong-bo --json - < item.json",
    ),
)
def publish(context: typer.Context, file: File, unit: Unit = None, as_json: Json = False) -> None:
    """Check an event and put it on the bus; while the bus is away, keep it for the next publish."""
    with _explain_contract_errors():
        event = event_file.read_event(_read_file(file), unit)
        settings = _load_settings(context)
        publisher = settings.publisher(event_file.find_sender(event, unit))
        answer, refused = asyncio.run(_publish(publisher, event, settings.find_refusal))
    print_errors(_refusal_errors(publisher))
    if refused:
        text = get_text("cli", "refused_before", **asdict(answer))
        fail(text.as_field_error("event"), *refused)
    content = events.check(event, publisher.vocabulary)
    late = [*_expiry_errors(content), *_interruption_errors(content)]
    print_errors([*late, *_server_check_warnings(content), *answer.warnings])
    _print_answer(answer, settings, as_json)
    if isinstance(answer, Spooled):
        raise typer.Exit(_EXIT_SPOOLED)


class ValidEvent(BaseModel):
    """The answer of `validate`."""

    type: str
    content_id: str
    warnings: list[FieldWarning] = []


@app.command()
@page(ValidEvent, {0: "valid", EXIT_INVALID: "invalid"}, ("loa validate item.json",), on_bus=False)
def validate(context: typer.Context, file: File, unit: Unit = None, as_json: Json = False) -> None:
    """Check an event by the rules of the doors, without sending it.

    Not known here: whether the unit may use the lane urgent, whose an item is, and which revisions
    and ids are taken.
    """
    with _explain_contract_errors():
        event = event_file.read_event(_read_file(file), unit)
        vocabulary = _load_settings(context).vocabulary
        content = events.check(event, vocabulary, accepted_types=events.HTTP_TYPES)
        if unit:
            events.check_sender(event, unit, vocabulary)
            events.check_source_spelling(event.source)
        if late := [*_expiry_errors(content), *_interruption_errors(content)]:
            raise Invalid(*late)
    warnings = events.find_warnings(content)
    print_errors([*_server_check_warnings(content), *warnings])
    facts = {"type": event.type, "content_id": content.content_id, **_warning_facts(warnings)}
    _print(facts, get_text("cli", "valid", **facts), as_json)


@app.command()
@page(list[str] | dict[str, Any], on_bus=False)
def schemas(name: Name = None, as_json: Json = False) -> None:
    """List the JSON Schemas of the events, or print one."""
    names = sorted(path.stem for path in _SCHEMAS.glob("*.json"))
    if name in names:
        typer.echo((_SCHEMAS / f"{name}.json").read_text("utf-8"), nl=False)
    elif name is not None:
        fail(unknown_schema(name, names))
    elif as_json:
        print_json(names)
    else:
        typer.echo("\n".join(names))


Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCES...",
        help="Events (.json, or a folder), recorded requests (.jsonl, .har), the address of a Loa.",
    ),
]
Key = Annotated[
    str, typer.Option(envvar="LOA_API_KEY", help="The API key with which a Loa is tried.")
]
OwnUnit = Annotated[str, typer.Option(help="The unit whose sender it is.")]
Publish = Annotated[
    bool, typer.Option("--publish", help="Let a Loa store an item, which is due in a year.")
]
Vectors = Annotated[
    Path | None, typer.Option(help="vectors.json with the answers of the sender's own code.")
]
Listen = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Answer a sender as Loa does, and fail on purpose.")
]
Steps = Annotated[
    str, typer.Option(help="Answers to the first tries: 202, 503, 429, 408, cut, silence, 422.")
]
Seconds = Annotated[float, typer.Option(help="How long to listen at most, in seconds.")]


@app.command()
@page(
    ConformanceReport,
    {
        0: "every rule that was tried holds",
        EXIT_NEEDS_PERSON: "rules are broken",
        EXIT_INVALID: "wrong input",
        EXIT_BUS_AWAY: "the Loa does not answer",
    },
    (
        "loa conformance export/ requests.jsonl",
        "loa conformance --listen 127.0.0.1:8099",
        "loa conformance https://loa.example --key loa_van-phong-bo_... export/",
    ),
    on_bus=False,
)
def conformance(
    context: typer.Context,
    sources: Sources = None,
    key: Key = "",
    unit: OwnUnit = "",
    publish: Publish = False,
    vectors: Vectors = None,
    listen: Listen = "",
    steps: Steps = DEFAULT_STEPS,
    seconds: Seconds = 600.0,
    as_json: Json = False,
) -> None:
    """Judge a sender that was written elsewhere, by all rules and the golden vectors.

    A key for trials tries everything and reaches the unit's guests alone; a live key stores nothing
    without --publish.
    """
    # Here: a web server and a client would cost every other command.
    from producers.conformance.kit import Task, read_steps, run

    with _explain_contract_errors():
        given = tuple(sources or ())
        task = Task(given, key, unit, publish, vectors, listen, read_steps(steps), seconds)
        try:
            report = run(task, _load_settings(context).vocabulary, _tell)
        except OSError as error:
            text = get_text("conformance", "no_door", detail=error)
            fail(text.as_field_error(", ".join((*task.urls, listen))), code=EXIT_BUS_AWAY)
    _print_report(report, as_json)


def _print_report(report: ConformanceReport, as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        typer.echo("\n".join(report_lines(report)))
    if not report.passed:
        raise typer.Exit(EXIT_NEEDS_PERSON)


def _tell(text: FieldError) -> None:
    print_field_texts(text, err=True)


def main() -> None:
    """Entry point of the client's `loa` command: answers on stdout, errors on stderr."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(_ERROR_LEVEL),
    )
    logging.getLogger("loa_client").setLevel(_ERROR_LEVEL)  # noqa: TID251 -- the wheel's logger
    try:
        app(prog_name="loa")
    finally:
        gc.freeze()  # otherwise much of a command's time is Python's last search for garbage


async def _publish(
    publisher: Publisher, event: CloudEvent, find_refusal: FindRefusal | None
) -> tuple[Accepted | Spooled, Sequence[FieldError]]:
    """The answer, and why the event was refused: a repeat of it changes nothing."""
    async with publisher:
        answer = await publisher.publish(event)
        if find_refusal is None or publisher.bus is None or isinstance(answer, Spooled):
            return answer, ()
        for _ in range(1 if answer.duplicate else _VERDICT_TRIES):
            refused = await find_refusal(publisher.bus, answer.event_id, answer.content_id)
            if not refused or answer.duplicate:
                break
            await asyncio.sleep(_VERDICT_PAUSE_S)  # sent anew: intake tries it again
        return answer, refused


def _read_access(variables: Mapping[str, str]) -> Access:
    """The credentials that the environment names."""
    names = ("CREDS", "NKEY", "CA", "PASSWORD")
    creds, nkey, ca, password = (_path(variables.get(f"LOA_NATS_{name}_FILE")) for name in names)
    secret = variables.get("LOA_NATS_PASSWORD", "")
    if password:
        secret = _read_file(str(password)).decode().strip()
    return Access(creds, nkey, ca, variables.get("LOA_NATS_USER") or Access().user, secret)


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None


def _refusal_errors(publisher: Publisher) -> list[FieldError]:
    """The error of credentials that the server refused; the event is kept meanwhile."""
    if refused := publisher.refusal:
        text = get_text("cli", "refused", detail=str(refused))
        return [text.as_field_error(refused.variable)]
    return []


def _expiry_errors(content: events.Event) -> list[FieldError]:
    """Errors for an expired item, which the gateway refuses and the bus accepts."""
    if times := expiry_times(content, datetime.now(UTC)):
        return [get_text("cli", "over", **times).as_field_error("data.expires_at")]
    return []


def _interruption_errors(content: events.Event) -> Sequence[FieldError]:
    """Errors for a first text that announces an interruption late or not publicly.

    The gateway refuses it. The bus accepts it, and a person at the desk decides.
    """
    if not isinstance(content, Submitted) or isinstance(content, Corrected):
        return ()
    try:
        check_announced(content, datetime.now(UTC), default_working_days())
    except Invalid as late:
        return late.errors
    return ()


def _server_check_warnings(content: events.Event) -> list[FieldError]:
    urgent = isinstance(content, Submitted) and content.lane == Lane.URGENT
    return [get_text("cli", "urgent").as_field_error("data.lane")] if urgent else []


def _warning_facts(warnings: Sequence[FieldWarning]) -> dict[str, Any]:
    """The warnings as JSON has them: only where there are some."""
    return {"warnings": [warning.model_dump() for warning in warnings]} if warnings else {}


def _load_settings(context: typer.Context) -> ClientSettings:
    load: Callable[[], ClientSettings] = context.obj or ClientSettings.from_environment
    return load()


def _read_file(file: str) -> bytes:
    """Read *file*. Raises Invalid if it cannot be read, TooLarge above the size of an event."""
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        text = get_text("cli", "no_file", detail=error.strerror or error)
        raise Invalid(text.as_field_error(file)) from error
    check_size(len(body))
    return body


@contextmanager
def _explain_contract_errors() -> Iterator[None]:
    """Print contract errors by field in both languages and exit, with 2 for an invalid event."""
    try:
        yield
    except ContractError as error:
        fail(*error.errors, code=EXIT_MACHINE if isinstance(error, Unavailable) else EXIT_INVALID)


def _print_answer(answer: Accepted | Spooled, settings: ClientSettings, as_json: bool) -> None:
    facts = asdict(answer)
    facts |= _warning_facts(facts.pop("warnings"))
    if isinstance(answer, Spooled):
        facts["path"] = str(answer.path)
        name = "spooled_here" if settings.drains_at_start else "spooled"
    else:
        name = "known" if answer.duplicate else "accepted"
    _print(facts, get_text("cli", name, **facts), as_json)


def _print(facts: dict[str, Any], text: Bilingual, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        print_bilingual(text.en, text.vi)
