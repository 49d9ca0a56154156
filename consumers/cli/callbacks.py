"""`loa callbacks`: web addresses of units' systems that are told what becomes of their items."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel

from consumers.app.wiring import callbacks as wiring
from consumers.callbacks.administration import EndpointAdministration, origin_of
from consumers.callbacks.attempt_log import Attempt, AttemptLog
from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.status_store import StatusStore, WaitingCount, count_waiting
from consumers.cli import output
from consumers.cli.acts import By, Command, run_audited
from consumers.cli.filters import parse_time, require_time
from consumers.cli.stores import open_keys
from consumers.messages import field_error
from contracts import keys
from contracts.facts.content_status import StatusKind
from producers.bus import Bus
from producers.output import print_bilingual

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, help="Call units' systems about their items.")
Unit = Annotated[str, typer.Argument(help="The unit's id.")]
Id = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's id, as `list` has it.")]


class SecretAnswer(BaseModel):
    """The answer of `add` and `rotate`: the secret that signs, shown once."""

    unit: str
    endpoint: str
    secret: str


class EndpointAnswer(BaseModel):
    """One endpoint in the answer of `list`.

    `waiting_at_least`: more facts than `waiting` may wait, because 1,000 of those that are not
    taken yet were read, and no more. `held`: the facts that wait for an item's next try.
    """

    unit: str
    endpoint: str
    url: str
    kinds: list[StatusKind]
    state: str
    waiting: int
    waiting_at_least: bool
    held: int
    failing_since: datetime | None
    arrived_at: datetime | None

    @classmethod
    def of(cls, listed: ListedEndpoint, waiting: WaitingCount) -> "EndpointAnswer":
        progress = listed.progress
        return cls(
            unit=listed.unit,
            endpoint=listed.id,
            url=listed.endpoint.origin,
            kinds=list(listed.endpoint.told_kinds),
            state=listed.state,
            waiting=waiting.facts,
            waiting_at_least=waiting.at_least,
            held=progress.held,
            failing_since=progress.failing_since,
            arrived_at=progress.arrived_at,
        )


class ChangeAnswer(BaseModel):
    """The answer of `remove` and `enable`."""

    unit: str
    endpoint: str
    done: bool = True


class ReplayAnswer(BaseModel):
    """The answer of `replay`: how many facts are sent again."""

    unit: str
    endpoint: str
    facts: int


def _adding(unit: str, url: str, contact: str, kinds: Sequence[StatusKind], by: str) -> Command:
    """The act of `add`, of which logs know scheme and host: the address may hold a secret.

    A second person's differs in nothing.
    """
    with output.explain_errors():
        origin = origin_of(url)
    digest = keys.digest(url, contact, *sorted(kinds))
    arguments = ["callbacks.add", unit, origin, digest]
    return Command("callbacks.add", unit, by, after=origin, arguments=arguments)


def _command(name: str, unit: str, id: str, by: str) -> Command:
    return Command(f"callbacks.{name}", unit, by, after=id)


def _act(command: Command, work: Callable[[EndpointAdministration], Awaitable[T]]) -> T:
    """Change an endpoint, with the act in the audit log."""

    async def audited(bus: Bus) -> T:
        return await work(wiring.open_administration(bus, await open_keys(bus), time.time))

    return run_audited(command, lambda bus, _: audited(bus))


@app.command()
@output.page(
    SecretAnswer,
    examples=(
        "loa callbacks add van-phong-bo https://example.gov.vn/loa --contact it@example.gov.vn",
    ),
)
def add(
    unit: Unit,
    url: Annotated[str, typer.Argument(help="The address, with https://.")],
    contact: Annotated[str, typer.Option(help="Where a mail goes if it is called no more.")],
    kind: Annotated[
        list[StatusKind] | None, typer.Option(help="Told are these; none: all.")
    ] = None,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Have an address called with what becomes of a unit's items from now on; print its secret."""
    added = _act(
        _adding(unit, url, contact, kind or (), by),
        lambda admin: admin.add(unit, url, kind or (), contact),
    )
    _print_secret(SecretAnswer(unit=unit, endpoint=added.id, secret=added.secret), as_json)


@app.command()
@output.page(SecretAnswer, examples=("loa callbacks rotate van-phong-bo 1f2e3d4c",))
def rotate(
    unit: Unit,
    id: Id,
    now: Annotated[
        bool, typer.Option("--now", help="The old one signs no more, not for 24 h.")
    ] = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Give an endpoint a new secret; the old one signs beside it for 24 h more."""
    secret = _act(_command("rotate", unit, id, by), lambda admin: admin.rotate(unit, id, now=now))
    _print_secret(SecretAnswer(unit=unit, endpoint=id, secret=secret), as_json)


def _print_secret(answer: SecretAnswer, as_json: bool) -> None:
    def show() -> None:
        typer.echo(f"{answer.unit} {answer.endpoint}\n{answer.secret}")
        output.print_field_texts(field_error(answer.endpoint, "callback_secret_once"))

    output.print_answer(answer, as_json, show)


@app.command("list")
@output.page(list[EndpointAnswer])
def list_endpoints(
    unit: Annotated[str, typer.Argument(help="Of this unit alone.")] = "",
    as_json: output.Json = False,
) -> None:
    """List the endpoints, what waits for each, and since when it fails."""

    async def read(bus: Bus) -> list[EndpointAnswer]:
        found, statuses = await EndpointStore(bus).all(), StatusStore(bus)
        return [
            EndpointAnswer.of(one, await count_waiting(statuses, one))
            for one in found
            if unit in ("", one.unit)
        ]

    output.print_records(EndpointAnswer, output.run_on_bus(read), as_json)


@app.command()
@output.page(ChangeAnswer, examples=("loa callbacks remove van-phong-bo 1f2e3d4c",))
def remove(unit: Unit, id: Id, by: By = "", as_json: output.Json = False) -> None:
    """Call an address no more; what waits for it is not sent."""
    _act(_command("remove", unit, id, by), lambda admin: admin.remove(unit, id))
    texts = f"{unit}: {id} is called no more", f"{unit}: {id} không còn được gọi"
    output.print_answer(
        ChangeAnswer(unit=unit, endpoint=id), as_json, lambda: print_bilingual(*texts)
    )


@app.command()
@output.page(ChangeAnswer, examples=("loa callbacks enable van-phong-bo 1f2e3d4c",))
def enable(unit: Unit, id: Id, by: By = "", as_json: output.Json = False) -> None:
    """Call an address again at once, with all that waits."""
    _act(_command("enable", unit, id, by), lambda admin: admin.enable(unit, id))
    texts = f"{unit}: {id} is called again", f"{unit}: {id} được gọi lại"
    output.print_answer(
        ChangeAnswer(unit=unit, endpoint=id), as_json, lambda: print_bilingual(*texts)
    )


@app.command()
@output.page(ReplayAnswer, examples=("loa callbacks replay van-phong-bo 1f2e3d4c --since 12h",))
def replay(
    unit: Unit,
    id: Id,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From then on: a time, or 12h, 7d ago.")
    ],
    until: Annotated[str, typer.Option(metavar="TIME", help="Up to then; else up to now.")] = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Send once more what was told in a span, under the same ids."""
    with output.explain_errors():
        span = require_time("since", since), parse_time("until", until) or datetime.now(UTC)
    facts = _act(_command("replay", unit, id, by), lambda admin: admin.replay(unit, id, *span))
    texts = f"{facts} facts are sent again", f"Gửi lại {facts} thông báo"
    answer = ReplayAnswer(unit=unit, endpoint=id, facts=facts)
    output.print_answer(answer, as_json, lambda: print_bilingual(*texts))


@app.command("log")
@output.page(list[Attempt], examples=("loa callbacks log van-phong-bo 1f2e3d4c --last 20",))
def show_log(
    unit: Unit,
    id: Id,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="The most lines.")] = 50,
    as_json: output.Json = False,
) -> None:
    """Show the newest callbacks of an endpoint: when, which fact, and the receiver's answer."""

    async def read(bus: Bus) -> list[Attempt]:
        await EndpointStore(bus).require(unit, id)
        return await AttemptLog(bus).newest(unit, id, last)

    found = output.run_on_bus(read)
    output.print_records(Attempt, found, as_json)
