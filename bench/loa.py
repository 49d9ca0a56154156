"""Loa as it is installed: `loa up`, or some services on a bus that the bench has started."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import bus, letter
from bench.server import LoaFailed, Server
from consumers.app.service_names import PORTAL_REPLICA, SERVICE_NAMES
from consumers.seals.takeover import seal_for_command, take_over
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.units.registry import UnitRegistry

LOA = Path(sys.executable).parent / "loa"
ROOT = Path("var/bench").resolve()  # on the disk that Loa would use; /tmp may be memory
LOG = "loa.log"
STOP_S = 30
START_S = 120
EVERYTHING = tuple(name for name in SERVICE_NAMES if name not in ("mailbox", PORTAL_REPLICA))
"""Services that `loa up` runs where a relay is configured."""
HEADER = "email,name,topics,audiences,units,frequency"
Settings = dict[str, str]
NO_MORE: Settings = {}
Look = Callable[[], str]


@contextmanager
def up(
    name: str, relay_port: int, more: Settings = NO_MORE, program: Sequence[str | Path] = (LOA,)
) -> Iterator[Server]:
    """`loa up` on an empty folder: one process, and its nats-server, which fsyncs always.

    *program* is the command `loa`, or one that does the same.
    """
    folder = emptied(name)
    with _running(folder, relay(relay_port) | more, program) as (url, nats_url, pid):
        yield Server(folder, url, nats_url, asyncio.run(a_unit(folder, nats_url)), (pid,))


@contextmanager
def up_again(ended: Server, relay_port: int) -> Iterator[Server]:
    """`loa up` on the folder of a Loa that has ended."""
    (ended.folder / "run" / "ready.json").unlink(missing_ok=True)
    with _running(ended.folder, relay(relay_port), (LOA,)) as (url, nats_url, pid):
        yield replace(ended, url=url, nats_url=nats_url, pids=(pid,))


@contextmanager
def _running(
    folder: Path, settings: Settings, program: Sequence[str | Path]
) -> Iterator[tuple[str, str, int]]:
    """A process of `loa up`: its address, that of its bus with the password, and its id."""
    with started(folder, [*program, "up", "--port", "0"], settings) as process:
        url = wait_until_ready(folder, process)
        ready = json.loads((folder / "run" / "ready.json").read_text())
        yield url, str(ready["nats_url"]), process.pid


@contextmanager
def joined(
    name: str, relay_port: int, sync: str, services: Sequence[str] = EVERYTHING
) -> Iterator[Server]:
    """`loa run` of some *services* on a nats-server that is set as *sync* says."""
    folder = emptied(name)
    with (
        bus.own_bus(folder, sync) as own,
        on_bus(folder, own, relay(relay_port), services) as server,
    ):
        yield server


@contextmanager
def on_bus(
    folder: Path, own: bus.OwnBus, settings: Settings, services: Sequence[str] = EVERYTHING
) -> Iterator[Server]:
    """`loa run` of some *services* on a bus that is announced in *folder*."""
    with started(folder, [LOA, "run", *services], settings) as process:
        url = wait_until_ready(folder, process)
        key = asyncio.run(a_unit(folder, own.url))
        yield Server(folder, url, own.url, key, (process.pid, *own.pids))


@contextmanager
def joined_by(server: Server, settings: Settings, service: str, number: int) -> Iterator[Server]:
    """One more process of *service* on the folder and the bus of *server*."""
    log = f"{service}-{number}.log"
    with started(server.folder, [LOA, "run", service], settings, log) as process:
        wait_until_ready(server.folder, process, log)
        yield replace(server, pids=(*server.pids, process.pid))


def relay(port: int) -> Settings:
    told = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "none", "FROM": letter.SENDER}
    return {f"LOA_EMAIL_{name}": value for name, value in told.items()} | {"LOA_HTTP_PORT": "0"}


def emptied(name: str) -> Path:
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def started(
    folder: Path, command: Sequence[str | Path], settings: Settings, log_name: str = LOG
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Loa, stopped politely at the end."""
    with (folder / log_name).open("wb") as log:
        process = subprocess.Popen(
            command, env=environment(folder, settings), cwd=folder, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_S)


def wait_until_ready(folder: Path, process: subprocess.Popen[bytes], log_name: str = LOG) -> str:
    """Where it answers, as its log says. Raises LoaFailed."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in (folder / log_name).read_text().splitlines():
            said = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
            if said.get("event") == "ready":
                return str(said["url"])
        time.sleep(0.05)
    raise LoaFailed(f"Loa did not get ready; its log is {folder / log_name}")


async def use_key(own: Bus, folder: Path) -> None:
    """Write records as a command with this data folder does: under its key."""
    record = folder / "records" / "seals.json"
    await seal_for_command(own, folder / "vault.key", record, take_over)


async def a_unit(folder: Path, nats_url: str) -> str:
    """The key of a unit that may publish at once, urgently too."""
    async with await Bus.connect(nats_url, name="bench") as own:
        await use_key(own, folder)
        registry = UnitRegistry(own, DEFAULT, time.time)
        return await registry.add(letter.UNIT, release="automatic", urgent=True)


def import_readers(folder: Path, lines: Iterator[str] | Sequence[str]) -> float:
    """Import readers with the `loa` command; return the seconds it took. Raises LoaFailed."""
    csv, count = folder / "readers.csv", 0
    with csv.open("w") as file:
        file.write(f"{HEADER}\n")
        for line in lines:
            file.write(f"{line}\n")
            count += 1
    began = time.monotonic()
    answer = command(folder, "subscribers", "import", csv, "--json")
    if answer["added"] != count:
        raise LoaFailed(f"{count} readers were not added: {answer}")
    return time.monotonic() - began


def reader(name: str, *topics: str) -> str:
    """One line of the file: *name* is the local part, and what the mail greets."""
    return f"{name}@example.com,Người đọc {name},{';'.join(topics)},,,"


def command(folder: Path, *words: str | Path) -> dict[str, Any]:
    """Run one `loa` command against the running Loa; its answer is JSON. Raises LoaFailed."""
    done = subprocess.run(
        [LOA, *words], env=environment(folder, {}), cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise LoaFailed(f"loa {words[0]}: exit {done.returncode}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def environment(folder: Path, settings: Settings) -> Settings:
    """This process's environment without its LOA_ settings, plus *settings*."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("LOA_")}  # noqa: TID251
    return mine | {"LOA_DATA_DIR": str(folder)} | settings
