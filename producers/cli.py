"""The commands of a system that sends events: publish, validate, schemas."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from contracts import events
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted
from contracts.delivery import Lane
from contracts.envelope import EVENT_BYTES
from contracts.errors import (
    WHOLE,
    ContractError,
    FieldError,
    Invalid,
    TooLarge,
    Unavailable,
    fault,
)
from contracts.vocabulary import DEFAULT, Vocabulary
from producers import wrap
from producers.admission import over
from producers.printing import INVALID, complain, print_both
from producers.publisher import Accepted, Publisher, Spooled
from producers.usage import Group
from producers.wording import Saying, say

AWAY = 3
NOT_KEPT = 4
ERROR = 40
SCHEMAS = Path(events.__file__).parent / "schemas"

app = typer.Typer(
    cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

File = Annotated[str, typer.Argument(help="A CloudEvent or bare data as JSON; - reads the input.")]
Unit = Annotated[str | None, typer.Option(help="The unit that sends; needed for bare data.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Name = Annotated[str | None, typer.Argument(help="A schema to print; without it, their names.")]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the bus and the spool are, and which words events may use.

    A command is handed a function that tells them as its context's `obj`; without one it reads the
    environment.
    """

    data_dir: Path
    nats_url: str = ""
    creds_file: Path | None = None

    @classmethod
    def read(cls) -> "Surroundings":
        environment = os.environ  # noqa: TID251 - this command is where settings are read
        creds = environment.get("LOA_NATS_CREDS_FILE")
        return cls(
            data_dir=Path(environment.get("LOA_DATA_DIR") or "var"),
            nats_url=environment.get("LOA_NATS_URL", ""),
            creds_file=Path(creds) if creds else None,
        )

    @property
    def vocabulary(self) -> Vocabulary:
        """The operator's own words in the data folder, else those that ship. Raises as `parse`."""
        path = self.data_dir / "vocabulary.toml"
        return Vocabulary.parse(path.read_text("utf-8")) if path.is_file() else DEFAULT

    def bus(self) -> str | None:
        """LOA_NATS_URL, or what `ready.json` says; only an answer of the bus is believed."""
        return self.nats_url or self._running()

    def _running(self) -> str | None:
        try:
            ready = json.loads((self.data_dir / "run" / "ready.json").read_bytes())
            return str(ready["nats_url"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def sends_at_start(self) -> bool:
        """Whether a Loa keeps its own bus in this folder: `loa up` then sends what is kept here."""
        return not self.nats_url and (self.data_dir / "nats" / "jetstream").is_dir()

    def publisher(self, unit: str) -> Publisher:
        return Publisher(
            self.bus(),
            unit,
            self.data_dir / "spool",
            vocabulary=self.vocabulary,
            creds_file=self.creds_file,
        )


@app.command()
def publish(context: typer.Context, file: File, unit: Unit = None, as_json: Json = False) -> None:
    """Check an event and put it on the bus; while the bus is away, keep it for the next publish.

    Exit code 0: accepted or already known. 2: invalid. 3: kept, the bus is away.
    4: the bus is away, and the disk refuses to keep it: send it again later.
    """
    with _explained(as_json):
        event = wrap.read(_body(file), unit)
        around = _around(context)
        publisher = around.publisher(wrap.sender(event, unit))
        answer = asyncio.run(_publish(publisher, event))
    said = events.check(event, publisher.vocabulary)
    complain([*_ended(said), *_unseen(said)])
    _tell(answer, around, as_json)
    if isinstance(answer, Spooled):
        raise typer.Exit(AWAY)


@app.command()
def validate(context: typer.Context, file: File, unit: Unit = None, as_json: Json = False) -> None:
    """Check an event by the rules of the doors, without sending it. Exit code 0: valid. 2: invalid.

    Not known here: whether the unit may use the lane urgent, whose an item is, and which revisions
    and ids are taken.
    """
    with _explained(as_json):
        event = wrap.read(_body(file), unit)
        vocabulary = _around(context).vocabulary
        said = events.check(event, vocabulary, taken=events.HTTP_DOOR)
        if unit:
            events.check_sender(event, unit, vocabulary)
        if ended := _ended(said):
            raise Invalid(*ended)
    complain(_unseen(said))
    facts = {"type": event.type, "content_id": said.content_id}
    _print(facts, say("cli", "valid", **facts), as_json)


@app.command()
def schemas(name: Name = None) -> None:
    """List the JSON Schemas of the events, or print one."""
    known = sorted(path.stem for path in SCHEMAS.glob("*.json"))
    if name is None:
        typer.echo("\n".join(known))
    elif name in known:
        typer.echo((SCHEMAS / f"{name}.json").read_text("utf-8"), nl=False)
    else:
        complain([say("cli", "no_schema", name=name, known=", ".join(known)).about("name")])
        raise typer.Exit(INVALID)


def main() -> None:
    """The `loa` command of the client: answers on stdout, errors on stderr."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(ERROR),
    )
    app(prog_name="loa")


async def _publish(publisher: Publisher, event: CloudEvent) -> Accepted | Spooled:
    async with publisher:
        return await publisher.publish(event)


def _ended(said: events.Event) -> list[FieldError]:
    """What the HTTP door refuses and the bus can't: an item that is over before it comes."""
    now = datetime.now(UTC)
    if ends := over(said, now):
        moments = {"value": ends.isoformat(), "now": now.isoformat(timespec="seconds")}
        return [say("cli", "over", **moments).about("data.expires_at")]
    return []


def _unseen(said: events.Event) -> list[FieldError]:
    """What is decided where the units' permissions are known."""
    urgent = isinstance(said, Submitted) and said.lane == Lane.URGENT
    return [say("cli", "urgent").about("data.lane")] if urgent else []


def _around(context: typer.Context) -> Surroundings:
    tell: Callable[[], Surroundings] = context.obj or Surroundings.read
    return tell()


def _body(file: str) -> bytes:
    """What is in *file*. Raises Invalid when it can't be read, TooLarge for more than an event."""
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        trouble = say("cli", "no_file", detail=error.strerror or error)
        raise Invalid(trouble.about(file)) from error
    if len(body) > EVENT_BYTES:
        raise TooLarge(fault(WHOLE, "event_too_large", size=len(body), limit=EVENT_BYTES))
    return body


@contextmanager
def _explained(as_json: bool) -> Iterator[None]:
    """Say what is wrong, by field and in both languages, and exit: with 2 for a wrong event."""
    try:
        yield
    except ContractError as error:
        complain(error.errors)
        if as_json:
            _print_json({"errors": [wrong.model_dump() for wrong in error.errors]})
        raise typer.Exit(NOT_KEPT if isinstance(error, Unavailable) else INVALID) from None


def _tell(answer: Accepted | Spooled, around: Surroundings, as_json: bool) -> None:
    facts = {name: _plain(value) for name, value in asdict(answer).items()}
    if isinstance(answer, Spooled):
        name = "spooled_here" if around.sends_at_start else "spooled"
    else:
        name = "known" if answer.duplicate else "accepted"
    _print(facts, say("cli", name, **facts), as_json)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _print(facts: dict[str, Any], saying: Saying, as_json: bool) -> None:
    if as_json:
        _print_json(facts)
    else:
        print_both(saying.en, saying.vi)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
