"""A real Loa for stories: its own processes, folder and ports, killed and restarted at will."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from consumers.app.settings import Ready

BIN = Path(sys.executable).parent
PATIENCE_S = 60.0
UNIT = "trung-tam-cong-nghe-thong-tin"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: dict[str, Any]


class Command(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def until(
    ask: Callable[[], Any], what: str, patience_s: float = PATIENCE_S, pause_s: float = 0.02
) -> Any:
    """Ask until the answer is true. Fails when none comes in time."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(pause_s)
    raise AssertionError(f"waited {patience_s} s in vain for {what}")


class RealLoa:
    """`loa up` on a folder of its own; settings by keyword, e.g. EMAIL_HOST="127.0.0.1"."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.data = folder / "data"
        self.folder = folder
        outside = {k: v for k, v in os.environ.items() if not k.startswith("LOA_")}
        chosen = {f"LOA_{name}": str(value) for name, value in settings.items()}
        self.environ = outside | {"LOA_DATA_DIR": str(self.data)} | chosen
        self.process: subprocess.Popen[bytes] | None = None
        self.key = ""

    def __enter__(self) -> "RealLoa":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.stop()

    def start(self) -> Ready:
        """Start and wait until everything answers."""
        with (self.folder / "loa.log").open("ab") as log:
            self.process = subprocess.Popen(
                [BIN / "loa", "up", "--port", "0"],
                env=self.environ, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        return until(self.ready, "ready.json")

    def ready(self) -> Ready | None:
        assert self.process and self.process.poll() is None, self.log()[-3000:]
        path = self.data / "run" / "ready.json"
        ready = Ready.model_validate_json(path.read_bytes()) if path.exists() else None
        return ready if ready and ready.pid == self.process.pid else None

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        """kill -9; the embedded nats-server dies with its parent."""
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.folder / "loa.log").read_text()

    def cli(self, *args: object, stdin: str | None = None) -> Command:
        done = subprocess.run(
            [BIN / "loa", *map(str, args)],
            env=self.environ, cwd=self.folder, input=stdin, capture_output=True, text=True,
            timeout=PATIENCE_S,
        )  # fmt: skip
        return Command(done.returncode, done.stdout, done.stderr)

    def a_unit(self, unit: str = UNIT, *more: str) -> str:
        """Register a unit whose content goes out at once; its key is used from now on."""
        added = self.cli("units", "add", unit, "--release", "automatic", "--json", *more)
        assert added.code == 0, added.err
        self.key = added.json["api_key"]
        return self.key

    def readers(self, count: int) -> None:
        """Import people who want everything."""
        path = self.folder / "readers.csv"
        rows = "\n".join(f"nguoi{number}@example.com,,,,," for number in range(count))
        path.write_text(f"email,name,topics,audiences,units,frequency\n{rows}\n")
        done = self.cli("subscribers", "import", path, "--json")
        assert done.json["added"] == count, done

    def post(self, event: Any, **headers: str) -> Answer:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        said = {"Content-Type": "application/cloudevents+json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.ask("/v1/events", body, said)

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        request = urllib.request.Request(
            f"{self.ready().url}{path}",
            body,
            {"Authorization": f"Bearer {self.key}"} | (headers or {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as error:
            return Answer(error.code, json.load(error))

    def page(self, path: str) -> int:
        """The status of a public page."""
        try:
            with urllib.request.urlopen(f"{self.ready().url}{path}", timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def story(self, content_id: str) -> dict[str, Any]:
        """`loa trace --json`."""
        told = self.cli("trace", content_id, "--json")
        return told.json if told.code == 0 else {}

    def traced(self, content_id: str) -> dict[str, Any]:
        """As `story`, once every channel is complete."""

        def complete() -> dict[str, Any] | None:
            counts = (story := self.story(content_id)).get("channels", {}).values()
            return story if counts and all(one["complete"] for one in counts) else None

        return until(complete, f"{content_id} on every channel")

    def dead(self) -> list[dict[str, Any]]:
        """The dead letters that nobody has dealt with."""
        return self.cli("dead", "list", "--json").json

    def delivered(self, event_id: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The item's story once every channel is complete."""

        def complete() -> dict[str, Any] | None:
            story = self.ask(f"/v1/events/{event_id}").body
            counts = (story.get("channels") or {}).values()
            return story if counts and all(one["complete"] for one in counts) else None

        return until(complete, "every channel", patience_s, pause_s=0.15)  # the door counts

    def effects(self) -> Counter[str]:
        """What the Zalo sandbox did, by kind of call."""
        state = urllib.request.urlopen(f"{self.ready().zalo_sandbox}/_sandbox/state", timeout=5)
        found = json.load(state)
        return Counter(article=len(found["articles"]), broadcast=len(found["broadcasts"]))


class Relay:
    """An SMTP receiver in a process of its own, which survives every kill of Loa."""

    def __init__(self, folder: Path) -> None:
        self.record, portfile = folder / "mails", folder / "smtp.port"
        command = [sys.executable, "-m", "tests.smtp_receiver", portfile, self.record]
        self.process = subprocess.Popen(command)
        self.port = int(until(lambda: portfile.exists() and portfile.read_text(), "the relay"))

    def __enter__(self) -> "Relay":
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

    def mails(self) -> list[tuple[str, str]]:
        """(recipient, Message-ID) of every accepted mail."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [tuple(line.split(maxsplit=1)) for line in lines]
