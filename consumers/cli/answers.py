"""How every command answers: the answer on stdout, trouble on stderr, the exit code for scripts."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumers.app import running
from consumers.app.settings import LoaSettings, read
from consumers.faults import fault, trouble
from consumers.vault import KeyFileBroken
from contracts.errors import ContractError, Unavailable, explain
from producers.bus import BadKey, Bus, BusError, Unfit
from producers.nats_child import ServerFailed
from producers.printing import INVALID as INVALID
from producers.printing import complain as complain
from producers.printing import print_said as print_said
from producers.server import StoreBusy

AWAY = 3
WIDE = 4000

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def on_bus(work: Callable[[Bus], Awaitable[T]], patience_s: float = running.COMMAND_S) -> T:
    """Run *work* on the running Loa's bus, or on an embedded one for its duration."""
    return on_any_bus(lambda bus, _: work(bus), patience_s)


def on_any_bus(
    work: Callable[[Bus, bool], Awaitable[T]], patience_s: float = running.COMMAND_S
) -> T:
    """As `on_bus`; *work* is told whether it is the embedded one, so that no Loa runs."""

    async def connected() -> T:
        settings = read(LoaSettings)
        async with running.bus(settings, "loa-cli", patience_s) as (bus, own):
            if own:
                complain([fault("bus", "no_loa_runs", folder=settings.data_dir.resolve())])
            return await work(bus, own)

    with explained():
        return asyncio.run(connected())


@contextmanager
def explained() -> Iterator[None]:
    """Say what is wrong by field and in both languages. Exit code 2: input, 3: the bus."""
    try:
        yield
    except ContractError as wrong:
        complain(wrong.errors)
        raise typer.Exit(AWAY if isinstance(wrong, Unavailable) else INVALID) from None
    except ValidationError as wrong:
        complain(explain(wrong))
        raise typer.Exit(INVALID) from None
    except BadKey as wrong:
        complain([fault("id", "id_impossible", detail=str(wrong))])
        raise typer.Exit(INVALID) from None
    except (KeyFileBroken, OSError) as broken:
        complain([fault("file", "file_broken", detail=trouble(broken))])
        raise typer.Exit(INVALID) from None
    except (BusError, StoreBusy, ServerFailed) as away:
        code = "bus_unfit" if isinstance(away, Unfit) else "bus_away"
        complain([fault("bus", code, detail=trouble(away))])
        raise typer.Exit(AWAY) from None


def print_json(value: Any) -> None:
    """One JSON document; models in their JSON form."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    typer.echo(json.dumps(plain, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people. Nothing is cut, and what cells hold is shown as it is."""
    screen = sys.stdout.isatty()
    table = Table(box=SIMPLE if screen else None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=not screen)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console(width=None if screen else WIDE).print(table)
