"""The first event of a system, from an empty folder: the text of docs/events.md, by language."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support import requirements
from tests.support.repository import ROOT

UNIT = "van-phong-bo"
EVENT = "first-event.json"
EXAMPLES = ROOT / "examples"
_PAGE = ROOT / "docs" / "events.md"
_HEADING = "\n## From an empty folder, in six languages\n"


class Language(NamedTuple):
    """A tool, the file of the program, and the same one below `examples`."""

    tool: str
    file: str = ""
    example: str = ""


LANGUAGES = {
    "Python": Language("python3", "send.py", "send.py"),
    "TypeScript": Language("npm", "send.mjs", "send.mts"),
    "Java": Language("javac", "Publish.java", "java/Publish.java"),
    "Go": Language("go", "publish.go", "go/publish.go"),
    "C#": Language("mcs", "Publish.cs", "csharp/Publish.cs"),
    "curl": Language("curl"),
}
PACKAGED = ("Python", "TypeScript")
"""The languages with a package, whose program is printed on the page."""


class Steps(NamedTuple):
    """A language's part of the page. *install* and *program* are empty without a package."""

    install: str
    program: str
    send: str


def steps_of(name: str) -> Steps:
    part = _section().split(f"\n### {name}\n")[1].split("\n### ")[0]
    *install, send = re.findall(r"^```sh\n(.*?)^```", part, re.M | re.S)
    program = re.findall(r"^```(?:python|ts)\n(.*?)^```", part, re.M | re.S)
    return Steps("".join(install), "".join(program), send)


def _section() -> str:
    return _PAGE.read_text("utf-8").split(_HEADING)[1].split("\n## ")[0]


def prepare(folder: Path, name: str, package: Path | None = None) -> None:
    """Put into the empty *folder* what the page asks for. Skips without the language's tool."""
    language, steps = LANGUAGES[name], steps_of(name)
    requirements.met(shutil.which(language.tool) is not None, f"needs {language.tool}")
    shutil.copy(EXAMPLES / EVENT, folder)
    if package:
        assert package.name in steps.install, "the page names another package"
        shutil.copy(package, folder)
    if steps.program:
        (folder / language.file).write_text(steps.program, "utf-8")
    elif language.file:
        shutil.copy(EXAMPLES / language.example, folder)


def typed(
    folder: Path, url: str, key: str, script: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A shell's answer after the page's first block, with the README's settings."""
    [first, *_] = re.findall(r"^```sh\n(.*?)^```", _section(), re.M | re.S)
    lines = [f"export NO_PROXY=127.0.0.1 LOA_URL={url} LOA_API_KEY={key}", first, script]
    return subprocess.run(
        ["bash", "-uo", "pipefail", "-c", "\n".join(lines)],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def require_told(done: subprocess.CompletedProcess[str]) -> None:
    """Fail unless the first event was accepted and followed, and the wrong one refused by name."""
    assert done.returncode, done
    assert re.search(r'^accepted [a-z2-7]{26}$|"event_id":"[a-z2-7]{26}"', done.stdout, re.M), done
    state = "(received|released)"
    assert re.search(rf'^state {state}$|"state":"{state}"', done.stdout, re.M), done
    for field in ("data.title", "data.titel"):
        assert re.search(rf'^{field}: |"field":"{field}"', done.stderr + done.stdout, re.M), done


def require_key_told(done: subprocess.CompletedProcess[str]) -> None:
    """Fail unless the event was kept and the refused key named."""
    assert done.returncode == 3 and done.stdout.startswith("kept "), done
    assert re.search(r"^Authorization: .* / ", done.stderr, re.M), done
