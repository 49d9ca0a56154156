"""Output of commands: results on stdout, errors on stderr, an exit code for scripts."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from channels.portal.model.site import item_path
from consumers.app import instance
from consumers.app.instance import BusUse
from consumers.app.settings import LoaSettings, read_settings
from consumers.cli.progress import progress_bars
from consumers.errors import KeyFileBroken, ListenRefused, WrongSettings
from consumers.messages import field_error, translate_os_error
from consumers.seals import takeover
from contracts.errors import ContractError, FieldError, Invalid, Unavailable, explain
from contracts.text.moments import format_for_people
from producers.bus import (
    AccessRefused,
    Bus,
    BusError,
    Denied,
    ForeignSettings,
    InvalidKey,
    TooFewServers,
    UnfitServer,
    UntrustedServer,
)
from producers.command_pages import EXIT_BUS_AWAY as EXIT_BUS_AWAY
from producers.command_pages import EXIT_NEEDS_PERSON as EXIT_NEEDS_PERSON
from producers.command_pages import page as page
from producers.errors import ServerFailed, StoreBusy, StreamSettingsDamaged
from producers.output import EXIT_INVALID as EXIT_INVALID
from producers.output import EXIT_MACHINE as EXIT_MACHINE
from producers.output import fail as fail
from producers.output import in_one_line as in_one_line
from producers.output import in_reading_order as in_reading_order
from producers.output import print_bilingual as print_bilingual
from producers.output import print_errors as print_errors
from producers.output import print_field_texts as print_field_texts
from producers.output import print_json as print_json
from producers.output import wants_json as wants_json

_PLAIN_WIDTH = 4000
T = TypeVar("T")
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; needed without a terminal.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def run_on_bus(
    work: Callable[[Bus], Awaitable[T]],
    patience_s: float = instance.COMMAND_TIMEOUT_S,
    use: BusUse = BusUse.LOOK,
) -> T:
    """Run *work* on the running Loa's bus, or on an embedded one for its duration.

    *use*: what it may change of an embedded one's streams.
    """
    return run_on_any_bus(lambda bus, _: work(bus), patience_s, use)


def act_on_bus(work: Callable[[Bus], Awaitable[T]]) -> T:
    """As `run_on_bus`, for a command that changes what the bus holds."""
    return run_on_bus(work, use=BusUse.ACT)


_afterwards: ContextVar[list[FieldError] | None] = ContextVar("afterwards", default=None)


def tell_afterwards(text: FieldError) -> None:
    """Print *text* on stderr once what it speaks of is done: not where that is refused."""
    waiting = _afterwards.get()
    if waiting is None:
        print_errors([text])
    else:
        waiting.append(text)


def run_on_any_bus(
    work: Callable[[Bus, bool], Awaitable[T]],
    patience_s: float = instance.COMMAND_TIMEOUT_S,
    use: BusUse = BusUse.LOOK,
) -> T:
    """As `run_on_bus`; *work* is told whether the bus is an embedded one: no Loa runs then."""

    async def connected() -> T:
        settings = read_settings(LoaSettings)
        async with instance.command_bus(settings, "loa-cli", patience_s, use) as (bus, own):
            if own:
                folder = settings.data_dir.resolve()
                print_errors([field_error("bus", "no_loa_runs", folder=folder)])
            opens = takeover.look if use is BusUse.LOOK else takeover.take_over
            await takeover.seal_for_command(bus, settings.key_file, settings.seals_file, opens)
            return await work(bus, own)

    afterwards: list[FieldError] = []
    _afterwards.set(afterwards)
    with explain_errors(), progress_bars():
        answer = asyncio.run(connected())
    print_errors(afterwards)
    return answer


@contextmanager
def explain_errors(machine_code: int = EXIT_INVALID) -> Iterator[None]:
    """Print errors by field, in both languages. Exit code 2: input, 3: the bus.

    *machine_code*: that of a disk or an address that this machine refuses.
    """
    try:
        yield
    except ContractError as wrong:
        _fail_for(wrong, machine_code)
    except ValidationError as wrong:
        fail(*explain(wrong))
    except InvalidKey as wrong:
        fail(field_error("id", "id_impossible", detail=str(wrong)))
    except (KeyFileBroken, OSError) as broken:
        code = EXIT_INVALID if isinstance(broken, KeyFileBroken) else machine_code
        fail(_file_error(broken), code=code)
    except AccessRefused as refused:
        text = "bus_untrusted" if isinstance(refused, UntrustedServer) else "bus_refused"
        fail(field_error(refused.variable, text, detail=str(refused)), code=EXIT_BUS_AWAY)
    except (BusError, StoreBusy, ServerFailed) as away:
        fail(_bus_error(away), code=EXIT_BUS_AWAY)


def _fail_for(wrong: ContractError, machine_code: int) -> NoReturn:
    if isinstance(wrong, WrongSettings):
        fail_for_settings(wrong)
    if isinstance(wrong, ListenRefused):
        fail(*wrong.errors, code=machine_code)
    fail(*wrong.errors, code=EXIT_BUS_AWAY if isinstance(wrong, Unavailable) else EXIT_INVALID)


def fail_for_settings(wrong: WrongSettings) -> NoReturn:
    """Print every wrong variable, not only those of the class that was read first."""
    from consumers.app.unknown_variables import wrong_settings  # only for such a failure

    fail(*dict.fromkeys((*wrong.errors, *wrong_settings())))


def _file_error(broken: KeyFileBroken | OSError) -> FieldError:
    if isinstance(broken, KeyFileBroken) and broken.path:
        return field_error(broken.path.name, "key_broken", value=broken.path.absolute())
    return field_error("file", "file_broken", detail=translate_os_error(broken))


def _bus_error(away: Exception) -> FieldError:
    if isinstance(away, ForeignSettings):
        facts = {"settings": ", ".join(away.settings), "detail": away.detail}
        return field_error(away.stream, "stream_foreign", **facts)
    if isinstance(away, TooFewServers):
        wanted = {"stream": away.stream, "replicas": away.replicas, "detail": away.detail}
        return field_error("LOA_NATS_REPLICAS", "bus_too_few_servers", **wanted)
    if isinstance(away, Denied):
        return field_error("LOA_NATS_NKEY_FILE", "bus_denied", subject=away.subject)
    if isinstance(away, StoreBusy) and (holder := away.holder):
        code = "store_stopped" if holder.is_stopped else "store_busy"
        named = {"owner": holder.owner, "server": holder.server}
        return field_error("bus", code, folder=holder.store, **named)
    if isinstance(away, StreamSettingsDamaged):
        return field_error(away.stream, "stream_settings_damaged", stream=away.stream)
    text = "bus_unfit" if isinstance(away, UnfitServer) else "bus_away"
    return field_error("bus", text, detail=translate_os_error(away))


def print_answer(answer: object, as_json: bool, show: Callable[[], object]) -> None:
    """Print *answer* as JSON for scripts, or *show* it to people."""
    if as_json:
        print_json(answer)
    else:
        show()


def print_records(kind: type[BaseModel], records: Sequence[BaseModel], as_json: bool) -> None:
    """Print records of one *kind*: JSON, or a table with a column for each field."""
    rows = ([getattr(one, name) for name in kind.model_fields] for one in records)
    print_answer(records, as_json, lambda: print_table(list(kind.model_fields), rows))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "list_empty"
) -> None:
    """Print a table for people, without cutting its cells or reading markup in them.

    Of a table without rows only stderr tells, by the text *empty*: scripts count lines.
    """
    if not (rows := list(rows)):
        tell_empty(empty)
        return
    is_terminal = sys.stdout.isatty()
    table = Table(box=SIMPLE if is_terminal else None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=not is_terminal)
    for row in rows:
        table.add_row(*(Text(cell_text(cell)) for cell in row))
    console = Console(width=None if is_terminal else _PLAIN_WIDTH)
    with console.capture() as printed:
        console.print(table)
    lines = printed.get().splitlines()
    typer.echo("\n".join(line if is_terminal else line.rstrip() for line in lines))


def tell_empty(code: str = "list_empty") -> None:
    """Say that a list has no entries."""
    print_errors([field_error("list", code)])


def cell_text(cell: object) -> str:
    """A value as people read it: times in Vietnam, yes or no, nothing for what is empty."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case datetime():
            return format_for_people(cell)
        case dict():
            return ", ".join(f"{name} {cell_text(value)}" for name, value in cell.items())
        case list() | tuple():
            return ", ".join(map(cell_text, cell))
        case _:
            return str(cell)


def visible(text: str, kept: str = "") -> str:
    """*text* with its control characters, but those *kept*, as code points."""
    return "".join(c if c.isprintable() or c in kept else f"U+{ord(c):04X}" for c in text)


def item_address(content_id: str) -> str:
    """The item's address on the portal, as this machine knows it."""
    return instance.public_url(read_settings(LoaSettings)) + item_path(content_id)


def desk_address() -> str:
    """The desk's address; empty where this machine does not know it."""
    try:
        return instance.desk_url(read_settings(LoaSettings))
    except Invalid:
        return ""


def print_address(code: str, address: str) -> None:
    """Print an address after its state, in both languages."""
    state = field_error("address", code)
    print_bilingual(f"{state.message}: {address}", f"{state.message_vi}: {address}")


def require_name(by: str) -> str:
    """The name of the person who decides. Raises Invalid for an empty one."""
    if not by.strip():
        raise Invalid(field_error("by", "who_required"))
    return by.strip()


def require_terminal() -> None:
    """End with exit code 2 where no person can be asked."""
    if not sys.stdin.isatty():
        fail(field_error("--yes", "yes_required"))


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person at a terminal, before what can't be undone. Exit code 2 without a yes."""
    if yes:
        return
    require_terminal()
    asked = field_error("--yes", question)
    try:
        is_confirmed = typer.confirm(in_one_line(asked.message, asked.message_vi), err=True)
    except typer.Abort:
        is_confirmed = False
    if not is_confirmed:
        fail(field_error("--yes", "not_confirmed"))
