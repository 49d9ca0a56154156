"""How every command answers: the answer on stdout, trouble on stderr, the exit code for scripts."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from consumers.app import running
from consumers.app.settings import LoaSettings, read
from consumers.faults import fault
from contracts.errors import ContractError, FieldError, explain
from producers.bus import Bus, BusError
from producers.nats_child import ServerFailed
from producers.server import StoreBusy

INVALID = 2
AWAY = 3

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def on_bus(work: Callable[[Bus], Awaitable[T]]) -> T:
    """Run *work* on the running Loa's bus, or on an embedded one for its duration."""

    async def connected() -> T:
        async with running.bus(read(LoaSettings), name="loa-cli") as bus:
            return await work(bus)

    with explained():
        return asyncio.run(connected())


@contextmanager
def explained() -> Iterator[None]:
    """Say what is wrong by field and in both languages. Exit code 2: input, 3: the bus."""
    try:
        yield
    except ContractError as wrong:
        complain(wrong.errors)
        raise typer.Exit(INVALID) from None
    except ValidationError as wrong:
        complain(explain(wrong))
        raise typer.Exit(INVALID) from None
    except (BusError, StoreBusy, ServerFailed) as away:
        complain([fault("bus", "bus_away", detail=str(away))])
        raise typer.Exit(AWAY) from None


def complain(errors: Iterable[FieldError]) -> None:
    for error in errors:
        typer.echo(f"{error.field}: {error.message}\n{error.field}: {error.message_vi}", err=True)


def print_json(value: Any) -> None:
    """One JSON document; models in their JSON form."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    typer.echo(json.dumps(plain, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table for people; plain text when the output is no terminal."""
    table = Table(*columns, title=title or None, title_justify="left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(width=None).print(table)
