"""Two versions of Loa: on one folder one after the other, and their services side by side."""

from enum import Enum
from pathlib import Path
from time import sleep

from tests.support.acceptance_probe import post_once
from tests.support.forked_cli import CommandResult, command_fork
from tests.support.gateway_client import sample_event
from tests.support.loa_process import LOA, LoaProcess
from tests.support.ports import free_port
from tests.support.repository import ROOT
from tests.support.split_loa import Service, SplitLoa
from tests.support.version_before import COMMAND


class Version(Enum):
    """A version of Loa."""

    BEFORE = "before"
    TODAY = "today"


class MixedLoa(LoaProcess):
    """`loa up` of a version, on a folder that both have used; `code_before` is set first."""

    code_before: Path

    def environ_of(self, version: Version) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.code_before)} if version is Version.BEFORE else {}
        return self.environ | own

    def start_as(self, version: Version) -> None:
        """Start, of that version, and wait until everything answers."""
        usual, self.environ = self.environ, self.environ_of(version)
        self.command = command_of(version)
        self.start()
        self.environ, self.command = usual, LOA

    def ask(self, version: Version, *words: object) -> CommandResult:
        """Answer of a command of *version*."""
        code = self.code_before if version is Version.BEFORE else ROOT
        return command_fork(code).run([*map(str, words)], self.environ, self.folder)


class MixedServices(MixedLoa, SplitLoa):
    """Each service is of the version that it was last started with; the door keeps its port."""

    def __enter__(self) -> "MixedServices":
        self.door = free_port()
        super().__enter__()
        return self

    def launch(self, name: str, version: Version) -> Service:
        """Start a service, in the place of the one of this name that may have been."""
        environ = self.environ_of(version)
        if name == "gateway":
            environ["LOA_HTTP_PORT"] = str(self.door)
        service = Service(name, self.folder, environ, command_of(version))
        self.services[name] = service
        return service

    def publish_surely(self, content_id: str, *channels: str) -> str:
        """Post an item until the door takes it, as a unit's system does; its event id."""
        event = sample_event(id=content_id, content_id=content_id, channels=channels)
        while not (event_id := post_once(self.door_url, self.key, event)):
            sleep(0.1)
        return event_id

    @property
    def door_url(self) -> str:
        return f"http://127.0.0.1:{self.door}"


def command_of(version: Version) -> tuple[str | Path, ...]:
    """`loa` of that version, in the environment that `environ_of` makes."""
    return COMMAND if version is Version.BEFORE else LOA
