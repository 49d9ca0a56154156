"""The TypeScript client, built in a folder of its own, and programs that use it."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support import requirements
from tests.support.repository import ROOT

SOURCE = ROOT / "clients" / "typescript"
_BUILD_S = 400
_PARTS = ("package.json", "package-lock.json", "tsconfig.json", ".npmrc", "src", "test")


class TypeScriptClient:
    """A folder with the built client; `run` and `driven` run programs of `test/` with it."""

    def __init__(self, folder: Path) -> None:
        requirements.met(bool(shutil.which("node") and shutil.which("npm")), "needs node and npm")
        self.folder = folder
        for part in _PARTS:
            copy = shutil.copytree if (SOURCE / part).is_dir() else shutil.copy
            copy(SOURCE / part, folder / part)
        self.call("npm", "ci", "--silent", "--ignore-scripts")
        self.call("npm", "run", "--silent", "build")

    def pack(self, folder: Path) -> Path:
        """The package as another system gets it."""
        self.call("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder)
        [packed] = folder.glob("*.tgz")
        return packed

    @property
    def index(self) -> Path:
        return self.folder / "dist" / "index.js"

    def call(self, *command: object, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the client's folder. Fails with the output of one that fails."""
        done = self.attempt(*command, input=input)
        assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])
        return done

    def attempt(self, *command: object, input: str = "") -> subprocess.CompletedProcess[str]:
        """Like `call`; the command may fail."""
        return subprocess.run(
            [*map(str, command)], cwd=self.folder, input=input, capture_output=True, text=True,
            timeout=_BUILD_S, check=False,
        )  # fmt: skip

    def check_types(self, *programs: Path) -> subprocess.CompletedProcess[str]:
        """The compiler's verdict on programs that use the package."""
        strict = ("--noEmit", "--strict", "--target", "es2022", "--module", "nodenext")
        types = ("--types", "node", "--typeRoots", self.folder / "node_modules" / "@types")
        return self.attempt("npx", "tsc", *strict, *types, *programs)

    def driven(self, under: Sequence[str] = (), **options: Any) -> "DrivenPublisher":
        """A publisher with these *options* in a process of its own, started by *under*."""
        return DrivenPublisher(
            [*under, "node", "test/drive.mjs", self.index, json.dumps(options)], self.folder
        )


class DrivenPublisher:
    """A publisher in a process of its own that obeys one order after another."""

    def __init__(self, command: list[object], folder: Path) -> None:
        self.process = subprocess.Popen(
            [*map(str, command)], cwd=folder, env=os.environ | {"NO_PROXY": "127.0.0.1"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> "DrivenPublisher":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def order(self, do: str, **words: Any) -> dict[str, Any]:
        """The answer to an order."""
        self.send(do, **words)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The answer to the last order."""
        answer = self.answer_or_end()
        assert answer is not None, f"the publisher ended: {self.process.wait()}"
        return answer

    def answer_or_end(self) -> dict[str, Any] | None:
        """The answer to the last order; None if the process has ended."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def send(self, do: str, **words: Any) -> None:
        """Give an order without waiting for its answer."""
        self.process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self.process.stdin.flush()

    def publish(self, event: dict[str, Any]) -> dict[str, Any]:
        return self.order("publish", event=event)
