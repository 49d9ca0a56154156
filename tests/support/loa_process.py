"""A real Loa for stories: its own processes, folder and ports, killed and restarted at will."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, NamedTuple

from channels.email.devmailbox.mail_folder import MailFolder
from consumers.app.settings import RunningInstance
from tests.support.forked_cli import PATIENCE_S, CommandResult, command_fork
from tests.support.forked_loa import ForkedLoa
from tests.support.gateway_client import UNIT, sample_event
from tests.support.ports import free_port
from tests.support.smtp_receiver import accepted_mails

BIN = Path(sys.executable).parent
LOA = (BIN / "loa",)
SERVES = ("up", "run", "demo")
START_S = 400.0
"""Of a process that has to import Loa first, while a dozen others on two cores do."""


RunningLoa = ForkedLoa | subprocess.Popen[bytes]


def start_loa(
    command: Sequence[str | Path], words: Sequence[str], environ: dict[str, str], log: Path
) -> RunningLoa:
    """Start *command* beside its *log*; a plain `loa` is forked."""
    if command == LOA:
        return ForkedLoa(words, environ, log)
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, *words], env=environ, cwd=log.parent, stdout=output, stderr=output
        )


class HttpAnswer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: dict[str, Any]


def complete(story: dict[str, Any]) -> bool:
    """Whether every channel is complete."""
    counts = (story.get("channels") or {}).values()
    return bool(counts) and all(one["complete"] for one in counts)


def wait_until(
    ask: Callable[[], Any], what: str, patience_s: float = PATIENCE_S, pause_s: float = 0.02
) -> Any:
    """Ask until the answer is true. Fails when none comes in time.

    What costs work is asked for a third of the time at most: Loa does its own meanwhile.
    """
    end = time.monotonic() + patience_s
    while (began := time.monotonic()) < end:
        if answer := ask():
            return answer
        time.sleep(max(pause_s, 2 * (time.monotonic() - began)))
    raise AssertionError(f"waited {patience_s} s in vain for {what}")


def sandbox_call(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask or order something of the Zalo sandbox at *url*, by its own controls."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{url}/_sandbox/{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


class LoaProcess:
    """`loa up` on a folder of its own; settings by keyword, e.g. EMAIL_HOST="127.0.0.1"."""

    command: Sequence[str | Path] = LOA

    def __init__(self, folder: Path, **settings: object) -> None:
        self.data = folder / "data"
        self.folder = folder
        outside = {k: v for k, v in os.environ.items() if not k.startswith("LOA_")}
        chosen = {f"LOA_{name}": str(value) for name, value in settings.items()}
        own = {"LOA_DATA_DIR": str(self.data), "LOA_STAND_INS": "mailbox,zalo-sandbox"}
        self.environ = outside | own | chosen
        self.process: RunningLoa | None = None
        self.key = ""

    def __enter__(self) -> "LoaProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.stop()

    def start(self) -> RunningInstance:
        """Start and wait until everything answers."""
        words, log = ("up", "--port", "0"), self.folder / "loa.log"
        self.process = start_loa(self.command, words, self.environ, log)
        return wait_until(self.ready, "ready.json", START_S)

    def ready(self) -> RunningInstance | None:
        assert self.process and self.process.poll() is None, self.log()[-3000:]
        path = self.data / "run" / "ready.json"
        ready = RunningInstance.model_validate_json(path.read_bytes()) if path.exists() else None
        return ready if ready and ready.pid == self.process.pid else None

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """kill -9; the embedded nats-server dies with its parent."""
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.folder / "loa.log").read_text(errors="replace")

    def cli(self, *args: object, stdin: str = "") -> CommandResult:
        """A command's answer; one that serves starts as an operator starts it."""
        words = [*map(str, args)]
        if self.command == LOA and words[0] not in SERVES:
            return command_fork().run(words, self.environ, self.folder, stdin)
        done = subprocess.run(
            [*self.command, *words],
            env=self.environ, cwd=self.folder, input=stdin, capture_output=True, text=True,
            timeout=PATIENCE_S,
        )  # fmt: skip
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def add_unit(self, unit: str = UNIT, *more: str) -> str:
        """Register a unit whose content goes out at once; its key is used from now on."""
        added = self.cli("units", "add", unit, "--release", "automatic", "--json", *more)
        assert added.exit_code == 0, added.err
        self.key = added.json["api_key"]
        return self.key

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log's lines about *event*."""
        lines = self.log().splitlines()
        facts = [json.loads(line) for line in lines if re.fullmatch("{.*}", line)]
        return [one for one in facts if one["event"] == event]

    def readers(self, count: int) -> None:
        """Import people who want everything."""
        self.add_readers(*(f"nguoi{number}@example.com,,,,," for number in range(count)))

    def add_readers(self, *rows: str) -> None:
        """Import new subscribers, each a line of CSV."""
        path = self.folder / "readers.csv"
        path.write_text("\n".join(["email,name,topics,audiences,units,frequency", *rows, ""]))
        done = self.cli("subscribers", "import", path, "--json")
        assert done.json["added"] == len(rows), done

    def publish(self, content_id: str, *channels: str, **data: object) -> str:
        """Post an item; its event id."""
        if channels:
            data["channels"] = channels
        answer = self.post(sample_event(id=content_id, content_id=content_id, **data))
        assert answer.status == 202, answer
        return answer.body["event_id"]

    def post(self, event: Any, **headers: str) -> HttpAnswer:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        said = {"Content-Type": "application/cloudevents+json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.request("/v1/events", body, said)

    def request(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> HttpAnswer:
        request = urllib.request.Request(
            f"{self.ready().url}{path}",
            body,
            {"Authorization": f"Bearer {self.key}"} | (headers or {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return HttpAnswer(answer.status, json.load(answer))
        except urllib.error.HTTPError as error:
            return HttpAnswer(error.code, json.load(error))

    def page(self, path: str) -> tuple[int, str]:
        """The status and the text of a public page."""
        try:
            with urllib.request.urlopen(f"{self.ready().url}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def page_status(self, path: str) -> int:
        return self.page(path)[0]

    def trace(self, content_id: str) -> dict[str, Any]:
        """`loa trace --json`."""
        told = self.cli("trace", content_id, "--json")
        return told.json if told.exit_code == 0 else {}

    def trace_when_complete(self, content_id: str, revision: int = 0) -> dict[str, Any]:
        """As `trace`, once every channel is complete, of a certain revision if that is given."""
        return wait_until(
            lambda: (
                complete(story := self.trace(content_id))
                and (not revision or story["revision"] == revision)
                and story
            ),
            f"{content_id} on every channel",
        )

    def mails(self) -> list[Any]:
        """The mails in the catch-all mailbox, oldest first."""
        stored = [*MailFolder(self.data / "mail").newest_first()][::-1]
        return [message_from_bytes(one.raw(), policy=policy.default) for one in stored]

    def dead_letters(self) -> list[dict[str, Any]]:
        """The open dead letters."""
        return self.cli("dead", "list", "--json").json

    def trace_of_event(self, event_id: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The item's trace once every channel is complete."""
        return wait_until(
            lambda: complete(story := self.request(f"/v1/events/{event_id}").body) and story,
            "every channel",
            patience_s,
            pause_s=0.15,  # the door counts
        )

    def violations(self) -> list[dict[str, Any]]:
        """Violations that `loa check --deep` finds."""
        return self.cli("check", "--deep", "--json").json["violations"]

    def sandbox(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return sandbox_call(self.ready().zalo_sandbox, path, body)

    def zalo_effects(self) -> Counter[str]:
        """Effects in the Zalo sandbox, by kind of call."""
        state = self.sandbox("state")
        return Counter(article=len(state["articles"]), broadcast=len(state["broadcasts"]))


class RelayProcess:
    """An SMTP receiver in a process of its own, which survives every kill of Loa.

    *delay_s*: how late each answer comes, where a test has to act in the middle of a campaign.
    """

    def __init__(self, folder: Path, delay_s: float = 0.0) -> None:
        self.record, self.delay_s = folder / "mails", delay_s
        self.port = free_port()
        self.start(folder / "smtp.port")

    def start(self, told: Path) -> None:
        """Start, or start again; it listens once the file *told* is there."""
        arguments = (told, self.record, str(self.port), str(self.delay_s))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.smtp_receiver", *arguments]
        )
        wait_until(told.exists, "the relay")

    def __enter__(self) -> "RelayProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def settings(self) -> dict[str, object]:
        return {
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": self.port,
            "EMAIL_TLS": "none",
            "EMAIL_FROM": "Bộ Nội vụ <thong-bao@loa.example>",
        }

    def count(self) -> int:
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0

    def accepted_mails(self) -> list[tuple[str, str]]:
        """(recipient, Message-ID) of every accepted mail."""
        return accepted_mails(self.record)
