"""Every service in a process of its own, on a nats-server that Loa has not started."""

import asyncio
import json
import signal
import subprocess
import urllib.request
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from consumers.app.settings import RunningInstance
from contracts.testing import sample
from tests.support.loa_process import BIN, LoaProcess, RelayProcess, wait_until
from tests.support.nats_accounts import ACCOUNTS
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver

pytestmark = pytest.mark.timeout(240)
SERVER = (
    "jetstream { store_dir: STORE, sync_interval: always, max_file_store: 1TB }\n"
    f"max_payload: 2MB {ACCOUNTS}"
)
NEEDED = ("gateway", "portal", "intake", "dispatch", "deliver-email", "deliver-portal")
OTHERS = ("sweep", "feedback", "zalo-sandbox")
STOP_S = 20.0
"""Longer than any service needs, shorter than the patience with a relay that keeps silent."""
READERS = 1200


class Service:
    """`loa run NAME`, with a log of its own."""

    command: Sequence[str | Path] = (BIN / "loa",)

    def __init__(self, name: str, folder: Path, environ: dict[str, str]) -> None:
        self.name, self.folder, self.environ = name, folder, environ
        self.log = folder / f"{name}.log"
        self.start()

    def start(self) -> None:
        self.log.write_bytes(b"")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "run", self.name],
                env=self.environ, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip

    def logged(self, event: str) -> dict[str, Any] | None:
        """The first line about *event*, if there is one."""
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text()[-2000:]}"
        lines = self.log.read_text().splitlines()
        whole = (json.loads(line) for line in lines if line.endswith("}"))
        return next((line for line in whole if line["event"] == event), None)

    @property
    def url(self) -> str:
        """Where it answers; waits until it does."""
        return wait_until(lambda: self.logged("ready"), f"{self.name} to be ready")["url"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM: the exit code. Raises TimeoutExpired where it waits for more than it should."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


class SplitLoa(LoaProcess):
    """The same Loa as elsewhere, only that no process is the whole of it."""

    kind = Service

    def run(self, *names: str) -> None:
        self.services |= {name: self.kind(name, self.folder, self.environ) for name in names}
        for name in names:
            assert self.services[name].url

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
        """Where the door is."""
        return RunningInstance(
            url=self["gateway"].url, nats_url="", pid=self["gateway"].process.pid
        )

    def shown(self, content_id: str) -> str:
        """The item's page."""
        with urllib.request.urlopen(f"{self['portal'].url}/tin/{content_id}", timeout=20) as answer:
            return answer.read().decode()


@contextmanager
def on_a_server(kind: type[SplitLoa], folder, other_server, relay):
    """Services of that *kind*, and the server that they share."""
    folder.mkdir()
    with other_server(SERVER) as server:
        url = server.url.replace("nats://", "nats://loa:loa@")
        settings = {"NATS_URL": url, "HTTP_PORT": 0, "PUBLIC_URL": "http://loa.example"}
        settings |= {"CANARY_EVERY_S": 0, "PORTAL_READ_BACK": 0}  # that address has no pages
        with kind(folder, **settings, **relay.settings) as loa:
            yield loa


@pytest.fixture
def loa(tmp_path, other_server, relay):
    with on_a_server(SplitLoa, tmp_path / "loa", other_server, relay) as loa:
        yield loa


def test_an_event_goes_its_way_over_many_processes_and_each_stops_in_order(loa, relay):
    loa.run(*NEEDED, *OTHERS)
    assert loa.cli("run", "deliver-zalo").exit_code == 2, "nothing is configured for it"
    assert loa.cli("run", "no-such-service").exit_code == 2
    loa.add_unit()
    loa.readers(3)
    counts = loa.trace_of_event(loa.publish("tin-moi", "portal", "email"))["channels"]
    assert {name: one["delivered"] for name, one in counts.items()} == {"portal": 1, "email": 3}
    title = sample("submitted")["data"]["title"]
    assert title in loa.shown("tin-moi")
    assert sorted(to for to, _ in relay.accepted_mails()) == [
        f"nguoi{n}@example.com" for n in range(3)
    ]
    assert loa.violations() == []
    for name, service in loa.services.items():
        assert "loa:loa" not in service.log.read_text(), "the bus's password"
        assert (name, service.stop()) == (name, 0), service.log.read_text()[-2000:]


def test_a_service_that_is_killed_goes_on_where_it_was(loa, relay):
    loa.run(*NEEDED)
    loa.add_unit()
    loa.readers(READERS)
    for name in ("intake", "dispatch", "deliver-portal"):
        loa[name].kill()
        event_id = loa.publish(f"tin-{name}", "portal")
        loa.run(name)
        assert loa.trace_of_event(event_id)["channels"]["portal"]["delivered"] == 1
        assert loa.shown(f"tin-{name}")
    event_id = loa.publish("tin-cho-moi-nguoi", "email")
    wait_until(lambda: relay.count() > READERS // 4, "the first mails")
    loa["deliver-email"].kill()
    loa.run("deliver-email")
    counts = loa.trace_of_event(event_id)["channels"]["email"]
    check_copies(relay, counts)
    assert loa.violations() == []


def check_copies(relay: RelayProcess, counts: dict[str, int]) -> None:
    """Each reader has the mail, and each copy is declared and carries the same name."""
    assert (counts["expected"], counts["delivered"]) == (READERS, READERS)
    mails = relay.accepted_mails()
    assert len({to for to, _ in mails}) == len(set(mails)) == READERS
    assert len(mails) - READERS <= counts["maybe_duplicate"]


async def test_a_stop_does_not_wait_for_a_relay_that_says_nothing_more(loa, relay):
    """It takes the mail and never answers: that one is in doubt, and only that one."""
    async with SmtpReceiver(always={"end": ScriptedAction.RECORD_SWALLOW}) as silent:
        await asyncio.to_thread(stop_in_the_middle, loa, silent)
    event_id = loa.publish("tin-thu-hai", "email")
    loa.run("deliver-email")
    assert loa.trace_of_event(event_id)["channels"]["email"]["delivered"] == 3
    counts = loa.trace_when_complete("tin-moi")["channels"]["email"]
    assert (counts["delivered"], counts["maybe_duplicate"]) == (3, 1)
    text = [mail for mail in relay.accepted_mails() if mail[1] == silent.mails[0].message_id]
    assert [to for to, _ in text] == [silent.mails[0].recipient], "the same name on both copies"
    assert relay.count() == 6


def stop_in_the_middle(loa: SplitLoa, silent: SmtpReceiver) -> None:
    usual, loa.environ = loa.environ, loa.environ | {"LOA_EMAIL_PORT": str(silent.port)}
    loa.run(*NEEDED)
    loa.environ = usual
    loa.add_unit()
    loa.readers(3)
    loa.publish("tin-moi", "email")
    wait_until(lambda: silent.mails, "a mail on the wire")
    assert loa["deliver-email"].stop() == 0
