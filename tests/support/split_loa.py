"""Loa whose services run in processes of their own, on a nats-server that Loa has not started."""

import json
import shutil
import signal
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from consumers.app.settings import RunningInstance
from tests.support.loa_process import (
    LOA,
    START_S,
    LoaProcess,
    RelayProcess,
    start_loa,
    wait_until,
)
from tests.support.metrics_page import Page, scrape
from tests.support.nats_accounts import ACCOUNTS

SERVER = (
    "jetstream { store_dir: STORE, sync_interval: always, max_file_store: 1TB }\n"
    f"max_payload: 2MB {ACCOUNTS}"
)
NEEDED = ("gateway", "portal", "intake", "dispatch", "deliver-email", "deliver-portal")
STOP_S = 60.0
"""Longer than any service needs, shorter than the patience with a relay that keeps silent."""


class Service:
    """`loa run NAME`, with a log of its own."""

    def __init__(
        self, name: str, folder: Path, environ: dict[str, str], command: Sequence[str | Path] = LOA
    ) -> None:
        self.name, self.environ, self.command = name, environ, command
        self.log = folder / f"{name}.log"
        self.start()

    def start(self) -> None:
        self.log.write_bytes(b"")
        self.process = start_loa(self.command, ("run", self.name), self.environ, self.log)

    def logged(self, event: str) -> dict[str, Any] | None:
        """The first line about *event*, if there is one."""
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text()[-2000:]}"
        lines = self.log.read_text().splitlines()
        whole = (json.loads(line) for line in lines if line.endswith("}"))
        return next((line for line in whole if line["event"] == event), None)

    @property
    def url(self) -> str:
        """Where it answers; waits until it does."""
        ready = wait_until(lambda: self.logged("ready"), f"{self.name} to be ready", START_S)
        return str(ready["url"])

    def scrape(self) -> Page:
        """Page that the process shows Prometheus."""
        return scrape(self.logged("ready")["metrics_url"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM: the exit code. Raises TimeoutExpired where it waits for more than it should."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


class SplitLoa(LoaProcess):
    """The same Loa as elsewhere, only that no process is the whole of it."""

    kind: Callable[..., Service] = Service

    def begin(self, name: str, **settings: str) -> Service:
        """Start a service; it need not be ready."""
        self.services[name] = self.kind(name, self.folder, self.environ | settings)
        return self.services[name]

    def run(self, *names: str) -> None:
        for name in names:
            self.begin(name)
        for name in names:
            assert self.services[name].url

    def run_elsewhere(self, machine: str, service: str, **settings: str) -> Service:
        """Start *service* on another machine, which shares the key and nothing else on its disk."""
        folder = self.folder / machine
        (folder / "data").mkdir(parents=True, exist_ok=True)
        shutil.copy(self.data / "vault.key", folder / "data" / "vault.key")
        own = {"LOA_DATA_DIR": str(folder / "data"), "LOA_MACHINE": machine}
        environ = self.environ | own | settings
        started = self.services[machine] = self.kind(service, folder, environ)
        assert started.url
        return started

    def __enter__(self) -> "SplitLoa":
        self.services: dict[str, Service] = {}
        self.data.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        for service in self.services.values():
            if service.process.poll() is None:
                service.kill()

    def __getitem__(self, name: str) -> Service:
        return self.services[name]

    def ready(self) -> RunningInstance:
        """Where the door and the bus are."""
        gateway = self["gateway"]
        nats_url = self.environ["LOA_NATS_URL"]
        return RunningInstance(url=gateway.url, nats_url=nats_url, pid=gateway.process.pid)

    def shown(self, content_id: str) -> str:
        """The item's page."""
        with urllib.request.urlopen(f"{self['portal'].url}/tin/{content_id}", timeout=60) as answer:
            return answer.read().decode()


@contextmanager
def on_a_server(
    kind: type[SplitLoa], folder: Path, other_server: Any, relay: RelayProcess
) -> Iterator[SplitLoa]:
    """Services of that *kind*, and the server that they share."""
    folder.mkdir()
    with other_server(SERVER) as server:
        url = server.url.replace("nats://", "nats://loa:loa@")
        settings = {"NATS_URL": url, "HTTP_PORT": 0, "PUBLIC_URL": "http://loa.example"}
        settings |= {"CANARY_EVERY_S": 0, "PORTAL_READ_BACK": 0}  # that address has no pages
        with kind(folder, **settings, **relay.settings) as loa:
            yield loa
