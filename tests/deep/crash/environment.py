"""One folder on which a Loa lives and dies, and the receivers around it, which never die."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

from consumers.app.settings import RunningInstance
from consumers.key_file import KeyFile, seal_people
from contracts.errors import Unavailable
from producers.bus import Bus, BusError
from tests.deep.crash.launch import DEATHS, MUTANT, NOTHING, forked
from tests.support.forked_loa import fork_context
from tests.support.loa_process import sandbox_call
from tests.support.seals import use_key

T = TypeVar("T")
CONTEXT = fork_context("tests.deep.crash.launch")
ROOT = Path(__file__).parents[3]
PUBLIC_URL = "https://cong.example"
BOUNCE_DOMAIN = "tra-lai.loa.example"
BUSY = (2, 3)
"""Exit codes of an `up` that found the store still locked by the server of the one before."""
START_S, COMMAND_S = 120.0, 300.0
DYING_S = 60.0


class CampaignFailed(Exception):
    """The campaign can't go on: something happened that no kill explains."""


def wait(ask: Callable[[], Any], what: str, patience_s: float = 120.0) -> Any:
    """Wait for what has to come while nothing is killed."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.05)
    raise CampaignFailed(f"waited {patience_s} s in vain for {what}")


def status_of(url: str, body: bytes, head: dict[str, str], timeout_s: float) -> int:
    """The status of an answer; 0 without one."""
    request = urllib.request.Request(url, body, head)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def start_receiver(module: str, record: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start one, and wait for its address."""
    port_file, log_file = (record.with_name(f"{module}.{ending}") for ending in ("port", "log"))
    command = [sys.executable, "-m", f"tests.deep.crash.{module}", port_file, record]
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    wait(lambda: process.poll() is not None or port_file.exists(), f"{module} to start", START_S)
    return process, port_file.read_text()


class Environment:
    """Loa's folder, the relay, the Zalo sandbox; `up` starts a Loa that is doomed or not.

    A *mutant* is a mistake that every process makes here; see `tests.deep.crash.mutants`. Relay and
    portal are tried every *canary_s*; no death that is meant for an item meets such a try, see
    `tests.deep.crash.launch`. Zalo is not: a try renews the token pair.
    """

    def __init__(self, folder: Path, mutant: str = "", canary_s: float = 0.0) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.record = folder / "mails"
        self.relay, relay_port = start_receiver("receiver", self.record)
        self.sandbox, self.zalo_url = start_receiver("zalo", folder / "zalo")
        self.callbacks = folder / "callbacks"
        self.unit_system, self.unit_url = start_receiver("unit_system", self.callbacks)
        portal_url = (folder / "portal.port").read_text()
        self.environ = {
            MUTANT: mutant,
            "LOA_DATA_DIR": str(self.data),
            "LOA_PUBLIC_URL": PUBLIC_URL,
            "LOA_CANARY_EVERY_S": str(canary_s),
            "LOA_CANARY_CHANNELS": "portal,email",
            "LOA_CANARY_URL": portal_url,
            "LOA_EMAIL_HOST": "127.0.0.1",
            "LOA_EMAIL_PORT": relay_port,
            "LOA_EMAIL_TLS": "none",
            "LOA_EMAIL_BOUNCE_DOMAIN": BOUNCE_DOMAIN,
            "LOA_BOUNCES_PORT": "0",
            "LOA_EMAIL_FROM": "Bộ Nội vụ <thong-bao@loa.example>",
            "LOA_CALLBACKS_ALLOW": urllib.parse.urlsplit(self.unit_url).netloc,
            "LOA_ZALO_APP_ID": "sandbox-app",
            "LOA_ZALO_APP_SECRET": "sandbox-app-secret",
            "LOA_ZALO_OA_SECRET": "sandbox-oa-secret",
            **{f"LOA_ZALO_{api}_URL": self.zalo_url for api in ("OPENAPI", "BUSINESS", "OAUTH")},
        }
        self.process: ForkServerProcess | None = None
        self.armed = (NOTHING, 1)
        self.running: RunningInstance | None = None
        self.killed: list[float] = []  # when, by us

    def __enter__(self) -> "Environment":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for process in (self.relay, self.sandbox, self.unit_system):
            process.kill()
            process.wait()

    # --- Loa

    def begin(self, point: str, hit: int, out: str, *args: object) -> ForkServerProcess:
        """Start a command, doomed or not; what it says goes to the file *out*."""
        command = [str(arg) for arg in args]
        process = CONTEXT.Process(
            target=forked, args=(self.environ, self.folder / out, point, hit, command)
        )
        process.start()
        return process

    def up(self, point: str = NOTHING, hit: int = 1) -> None:
        """Start a Loa; `ready` waits for it."""
        self.armed = (point, hit)
        self.running = None
        self.process = self.begin(point, hit, "loa.log", "up", "--port", 0)

    def ready(self) -> bool:
        """Wait until everything answers; False when it died before."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.dead:
                return False
            if running := self.announced():
                self.running = running
                return True
            time.sleep(0.01)
        raise CampaignFailed("loa up never became ready")

    def announced(self) -> RunningInstance | None:
        try:
            announced = (self.data / "run" / "ready.json").read_bytes()
            running = RunningInstance.model_validate_json(announced)
        except (OSError, ValueError):
            return None
        return running if self.process and running.pid == self.process.pid else None

    @property
    def dead(self) -> bool:
        """Whether Loa has ended. One that only found the old server alive is started again."""
        code = self.process.exitcode if self.process else 0
        if code in BUSY:
            time.sleep(0.1)
            self.up(*self.armed)
            return False
        if code not in (None, 0, -signal.SIGKILL):
            raise CampaignFailed(f"loa up ended by itself with code {code}")
        return code is not None

    @property
    def deaths(self) -> list[str]:
        """The points at which processes died here."""
        return [line.split()[1] for line in self.noted()]

    @property
    def kills(self) -> list[float]:
        """When processes were killed here, by us or at a point."""
        return sorted([*self.killed, *(float(line.split()[2]) for line in self.noted())])

    def noted(self) -> list[str]:
        deaths = self.folder / DEATHS
        return deaths.read_text().splitlines() if deaths.exists() else []

    def kill(self) -> None:
        """kill -9; the embedded nats-server dies with its parent."""
        if self.process and self.process.exitcode is None:
            self.killed.append(time.time())
            self.process.kill()
            self.process.join()

    def kill_bus(self) -> None:
        """kill -9 of the embedded nats-server alone; Loa has to notice and start it again."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in map(int, children.split()):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "nats-server":
                self.killed.append(time.time())
                os.kill(pid, signal.SIGKILL)
                return
        raise CampaignFailed("no nats-server runs below Loa")

    def stop(self) -> int | None:
        """SIGTERM, and the exit code."""
        assert self.process
        self.process.terminate()
        self.process.join(START_S)
        return self.process.exitcode

    def run(self, *args: object, point: str = NOTHING, out: str = "commands.log") -> int | None:
        """One command, armed or not; its exit code."""
        process = self.begin(point, 1, out, *args)
        process.join(COMMAND_S)
        if process.exitcode is None:
            raise CampaignFailed(f"{args} does not end")
        return process.exitcode

    def ask_json(self, *args: object) -> Any:
        """The JSON answer of a command; what it could not find out is no verdict."""
        file = self.folder / "answer"
        file.unlink(missing_ok=True)
        code = self.run(*args, out=file.name)
        answer = json.loads(file.read_text().splitlines()[-1])
        if "errors" in answer:
            raise CampaignFailed(f"{args} ends with {code}: {answer['errors']}")
        return answer

    # --- doors

    def post(self, event: dict[str, Any], key: str) -> int:
        """The status of an answer, 0 when none came."""
        head = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents+json"}
        return self.request("/v1/events", json.dumps(event).encode(), head)

    def form(self, path: str, head: Mapping[str, str] | None = None, /, **fields: str) -> int:
        """As `post`, for a form of the readers' pages."""
        return self.request(path, urllib.parse.urlencode(fields).encode(), dict(head or {}))

    def request(self, path: str, body: bytes, head: dict[str, str]) -> int:
        if not self.running:
            return 0
        return status_of(f"{self.running.url}{path}", body, head, 60)

    def zalo(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The sandbox's own controls."""
        return sandbox_call(self.zalo_url, path, body)

    def effects(self) -> list[dict[str, Any]]:
        """Effects in the sandbox so far, oldest first."""
        whole = (self.folder / "zalo" / "effects.jsonl").read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def on_bus(self, work: Callable[[Bus], Awaitable[T]]) -> T | None:
        """Do something on the running Loa's bus; None when it died meanwhile."""

        async def connected() -> T:
            assert self.running
            async with await Bus.connect(
                self.running.nats_url, name="crash", patience_s=10.0
            ) as bus:
                if (key := self.data / "vault.key").exists():
                    seal_people(bus, KeyFile.open(key))
                    await use_key(bus, self.data)
                return await work(bus)

        try:
            return asyncio.run(connected())
        except (BusError, Unavailable):
            if self.process:
                self.process.join(DYING_S)  # its nats-server goes a moment before it does
            if self.process and self.process.exitcode is None:
                raise
            return None

    def bus(self, work: Callable[[Bus], Awaitable[T]]) -> T:
        """Raises Failed when Loa dies meanwhile: only for moments at which it must not."""
        answer = self.on_bus(work)
        if answer is None:
            raise CampaignFailed("Loa died while it was being set up")
        return answer
