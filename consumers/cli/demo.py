"""`loa demo`: run Loa with stand-ins on this machine, send one item, print what arrived."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import aiohttp
import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from yarl import URL

from channels.email.devmailbox.mail_folder import MailFolder
from channels.email.parsing import body_text, header_text
from consumers.app import instance
from consumers.app.settings import LoaSettings, RunningInstance, load_vocabulary, read_settings
from consumers.cli.output import EXIT_MACHINE, explain_errors, fail, in_one_line, page, print_errors
from consumers.cli.sample import ports
from consumers.cli.sample.kept import KeptSample
from consumers.cli.sample.ministry import fill
from consumers.cli.sample.receiver import open_receiver
from consumers.cli.sample.sender import move_receiver
from consumers.key_file import open_key_file
from consumers.messages import field_error
from consumers.seals.takeover import seal_for_command, take_over
from consumers.subscribers.csv_import import import_csv
from contracts.errors import Invalid
from producers.bus import Bus
from producers.units.registry import UnitRegistry

_EXAMPLES = Path(__file__).parents[2] / "examples"
ITEM = _EXAMPLES / "zalo-channel.json"
READERS = _EXAMPLES / "subscribers.csv"
_UNIT = "trung-tam-cong-nghe-thong-tin"
_TIMEOUT_S = 300.0
"""Generous: a Loa that has ended is noticed at once, and a busy machine takes minutes."""
_POLL_S = 0.05
_MAIL_LINES = 6
_CODE_POLL_S = 1.0
_CLEAR = "\r\x1b[2K"
_HOST = "127.0.0.1"
_CODES = {
    1: "Loa ended, or something did not arrive in time; its log says why",
    EXIT_MACHINE: "this machine refuses for now: a full disk, a port that is taken",
}
MARK_FILE = ".loa-demo"

Folder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="A folder of its own; a demo's is emptied first.",
        show_default="LOA_DATA_DIR/demo",
    ),
]
WithDesk = Annotated[
    bool,
    typer.Option(
        "--desk",
        help="Fill the desk of a sample ministry, and run until Ctrl-C, to try it in a browser.",
    ),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Erase the desk's sample ministry, and begin anew.")
]
Facts = dict[str, Any]
T = TypeVar("T")


class _DemoFailed(Exception):
    """Something did not arrive; the log in the demo's folder says why."""


@dataclass(frozen=True)
class _Loa:
    """A Loa that this command runs."""

    ready: RunningInstance
    process: asyncio.subprocess.Process


@page(
    codes=_CODES, on_bus=False, examples=("loa demo", "loa demo --desk", "loa demo --desk --fresh")
)
def demo(data: Folder = None, desk: WithDesk = False, fresh: Fresh = False) -> None:
    """Start everything, send one item through the HTTP door, show what arrived, and stop.

    With --desk a sample ministry that was filled before is opened again, as it was left.
    """
    with explain_errors(EXIT_MACHINE):
        settings = _demo_settings(data, is_desk=desk)
        mark = settings.data_dir / MARK_FILE
        if (kept := None if fresh else KeptSample.read(mark)) and not desk:
            raise Invalid(field_error("data", "demo_is_desk", value=settings.data_dir))
        if kept is None:
            prepare_folder(settings.data_dir)
        with _failure_told(settings):
            if desk:
                _open_desk(settings, kept)
            else:
                _print_facts("demo.txt", asyncio.run(_run_demo(settings)))


@contextmanager
def _failure_told(settings: LoaSettings) -> Iterator[None]:
    """Exit with 1, and name the log, where something did not arrive."""
    try:
        yield
    except _DemoFailed:
        log = settings.data_dir / "loa.log"
        fail(field_error("loa demo", "demo_failed", file=log), code=1)


def _open_desk(settings: LoaSettings, kept: KeptSample | None) -> None:
    """Run the sample ministry until Ctrl-C; exit with 1 if Loa ends before that."""
    own, port = _choose_ports(settings.http_port, kept)
    settings = settings.model_copy(update={"http_port": port})
    if (code := asyncio.run(_run_desk(settings, kept, own))) is not None:
        file = settings.data_dir / "loa.log"
        fail(field_error("loa up", "demo_loa_ended", status=code, file=file), code=1)


def _choose_ports(named: int, kept: KeptSample | None) -> tuple[int, int]:
    """The public port that the ministry keeps, and that of this run.

    They differ where another process has the kept one. *named*: by the user, or 0.
    """
    before = kept.port if kept else 0
    own = named or before or ports.choose(_HOST)
    taken = 0 if own in (0, named) else ports.find_taken(_HOST, own)
    port = ports.choose(_HOST) if taken else own
    if before and port != before:
        code = "demo_port_named" if named else "demo_port_taken"
        print_errors([field_error("LOA_HTTP_PORT", code, value=before, port=port, taken=taken)])
    return own, port


def _tell(step: str, **values: object) -> None:
    """Say on stderr what goes on: the next line may take a minute."""
    print_errors([field_error("loa demo", step, **values)])


def _print_facts(template: str, facts: Facts) -> None:
    """Print a page for a person at a terminal."""
    page = Environment(  # noqa: S701 -- plain text for a terminal
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True
    ).get_template(template)
    typer.echo(page.render(facts))


def _demo_settings(data: Path | None, *, is_desk: bool) -> LoaSettings:
    """The settings of a demo in *data*. Raises Invalid if Loa runs there.

    The demo has a bus of its own, also where the shell names another one. In a shell whose data
    folder is a demo's, another demo lies beside that one. Its port is open, but for a desk's that
    LOA_HTTP_PORT names. Raises ListenRefused if that one, or one above it, is taken.
    """
    shell = read_settings(LoaSettings)
    around = shell.data_dir
    around = around.parent if (around / MARK_FILE).exists() else around
    folder = (data or around / ("demo-desk" if is_desk else "demo")).resolve()
    port = shell.http_port if is_desk and "http_port" in shell.model_fields_set else 0
    own: dict[str, Any] = {"nats_url": "", "vault_key_file": None, "http_host": _HOST}
    settings = read_settings(LoaSettings, data_dir=folder, http_port=port, **own)
    if running := asyncio.run(instance.find_running(settings)):
        where = {"value": folder, "url": running.desk or running.url}
        raise Invalid(field_error("data", "demo_runs", **where))
    if port:
        ports.require_free(_HOST, port)
    return settings


def prepare_folder(data: Path) -> None:
    """Make *data* an empty folder with the demo's mark; only a demo's own folder is emptied.

    The mark stays all the while, so that a demo that was cut short can be begun again.
    """
    paths = list(data.iterdir()) if data.exists() else []
    mark = data / MARK_FILE
    if paths and mark not in paths:
        raise Invalid(field_error("data", "not_a_demo", value=data))
    data.mkdir(parents=True, exist_ok=True)
    mark.write_bytes(b"")
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != mark:
            path.unlink()


async def _run_demo(settings: LoaSettings) -> Facts:
    """Run Loa, send the item, and return the facts to print."""
    async with _loa_up(settings) as loa, aiohttp.ClientSession() as http:
        ready = loa.ready
        _tell("demo_sends")
        async with await Bus.connect(ready.nats_url) as bus:
            await seal_for_command(bus, settings.key_file, settings.seals_file, take_over)
            registry = UnitRegistry(bus, load_vocabulary(settings), time.time)
            key = await registry.add(_UNIT, release="automatic")
            readers = await _import_readers(bus, settings)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents+json"}
        posted = http.post(f"{ready.url}/v1/events", data=ITEM.read_bytes(), headers=headers)
        async with posted as answer:
            accepted = {"status": answer.status, **await answer.json()}
        status_url = ready.url + accepted["status_url"]
        await _poll_until(lambda: _finished_trace(http, status_url, headers))
        async with http.get(f"{ready.zalo_sandbox}/_sandbox/state") as answer:
            zalo = await answer.json()
    data = settings.data_dir
    facts = {"data": data, "url": ready.url, "readers": readers, "accepted": accepted, "zalo": zalo}
    portal = _portal_facts(data, accepted["content_id"])
    return facts | {"portal": portal, "mail": _mail_facts(data)}


async def _run_desk(settings: LoaSettings, kept: KeptSample | None, port: int) -> int | None:
    """Run Loa with a sample ministry, which keeps *port*, until this process is asked to end.

    Returns the exit code of a Loa that ended before that.
    """
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    async with (
        open_receiver() as receiver,
        _loa_up(settings, LOA_CALLBACKS_ALLOW=receiver.authority) as loa,
    ):
        kept, items = await _prepare_desk(loa.ready, settings, kept, receiver)
        sample = kept.model_copy(update={"port": port})
        sample.write(settings.data_dir / MARK_FILE)
        facts = {"sample": sample, "items": items, "at": loa.ready, "data": settings.data_dir}
        _print_facts("demo_desk.txt", facts | {"sender": _UNIT})
        await _show_codes(sample, loa.process, asked)
        return None if asked.is_set() else await loa.process.wait()


async def _prepare_desk(
    ready: RunningInstance, settings: LoaSettings, kept: KeptSample | None, receiver: URL
) -> tuple[KeptSample, int]:
    """Fill the ministry, or tell a *kept* one the address of its receiver in this run.

    Returns what its folder keeps, and the number of items that are new.
    """
    async with await Bus.connect(ready.nats_url) as bus:
        await seal_for_command(bus, settings.key_file, settings.seals_file, take_over)
        if kept:
            await move_receiver(bus, await open_key_file(bus, settings.key_file), receiver)
            return kept, 0
        _tell("demo_fills")
        await _import_readers(bus, settings)
        ministry = await fill(bus, settings, receiver)
    return KeptSample.of(ministry), ministry.items


async def _show_codes(
    sample: KeptSample, loa: asyncio.subprocess.Process, asked: asyncio.Event
) -> None:
    """Print each one-time code while it is the present one; on a terminal in place.

    It ends when it is *asked* to, or when Loa has ended.
    """
    is_terminal, shown = sys.stdout.isatty(), ""
    while not asked.is_set() and loa.returncode is None:
        if (code := sample.code()) != shown:
            shown = code
            said = field_error("code", "demo_code", value=code)
            line = in_one_line(said.message, said.message_vi)
            typer.echo(f"{_CLEAR if is_terminal else ''}{line}", nl=not is_terminal)
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), _CODE_POLL_S)


@asynccontextmanager
async def _loa_up(settings: LoaSettings, **variables: str) -> AsyncIterator[_Loa]:
    """Run `loa up` with *variables*, without this shell's LOA_* ones, and without its `.env`."""
    shell = os.environ.items()  # noqa: TID251 -- handed on, not read
    environment = {name: value for name, value in shell if not name.startswith("LOA_")}
    up = ["up", "--data", str(settings.data_dir), "--port", str(settings.http_port)]
    command = [sys.executable, "-m", "consumers.cli", *up]
    _tell("demo_starts", value=settings.data_dir)
    with (settings.data_dir / "loa.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *command, stdout=log, stderr=log, env=environment | variables, cwd=settings.data_dir
        )
    try:
        yield _Loa(await _poll_until(lambda: instance.find_running(settings), child), child)
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
        await child.wait()


async def _poll_until(
    ask: Callable[[], Awaitable[T | None]], child: asyncio.subprocess.Process | None = None
) -> T:
    """Ask until there is an answer. Raises _DemoFailed when none comes."""
    end = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < end and not (child and child.returncode is not None):
        if (answer := await ask()) is not None:
            return answer
        await asyncio.sleep(_POLL_S)
    raise _DemoFailed


async def _finished_trace(http: aiohttp.ClientSession, url: str, headers: Facts) -> Facts | None:
    """The item's status, once every channel is complete."""
    async with http.get(url, headers=headers) as answer:
        trace: Facts = await answer.json()
    channels = trace.get("channels") or {}
    is_complete = channels and all(counts["complete"] for counts in channels.values())
    return trace if is_complete else None


async def _import_readers(bus: Bus, settings: LoaSettings) -> Facts:
    keys = await open_key_file(bus, settings.key_file)
    key = keys.derive("addresses")
    report = await import_csv(bus, READERS, load_vocabulary(settings), key)
    return report.model_dump()


def _portal_facts(data: Path, content_id: str) -> Facts:
    """The item's page, and the feeds that carry it."""
    public = data / "portal" / "public"
    page = public / "tin" / content_id / "index.html"
    title = page.read_text("utf-8").partition("<h1>")[2].partition("</h1>")[0].strip()
    feeds = sorted(public.glob("nguon-tin/*.rss"))
    carrying = [path for path in feeds if f"/tin/{content_id}" in path.read_text("utf-8")]
    return {"title": title, "page": page, "feeds": carrying}


def _mail_facts(data: Path) -> Facts:
    """The number of mails, and the newest one."""
    mails = list(MailFolder(data / "mail").newest_first())
    raw = mails[0].raw()
    text = [line for line in body_text(raw, "plain").splitlines() if line.strip()]
    return {
        "count": len(mails),
        "subject": header_text(raw, "Subject"),
        "to": header_text(raw, "To"),
        "message_id": header_text(raw, "Message-ID"),
        "lines": text[:_MAIL_LINES],
        "path": mails[0].path,
    }
