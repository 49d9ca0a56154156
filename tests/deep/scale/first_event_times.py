"""Seconds from an empty folder to a system's first event, in each language of docs/events.md.

    python -m tests.deep.scale.first_event_times [RUNS]

The text of the page is typed literally: its packages are installed, then one event is accepted and
followed, and one refused by name. The packages themselves are built before, outside the times.
"""

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import client_wheel, first_event
from tests.support.first_event import EVENT, LANGUAGES, PACKAGED, UNIT
from tests.support.loa_process import LoaProcess
from tests.support.typescript_client import TypeScriptClient


def main(runs: int = 3) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        packages = build_packages(folder)
        with LoaProcess(make(folder / "loa")) as loa:
            loa.add_unit(UNIT)
            print(f"load {os.getloadavg()[0]:.0f}; n = {runs}; median (lowest to highest)")
            for language in LANGUAGES:
                times = [
                    timed(make(folder / f"{number}-{language}"), loa, language, packages)
                    for number in range(runs)
                ]
                install = f"install {spread(times, 0)}, " if language in PACKAGED else ""
                print(f"{language}: {install}send {spread(times, 1)}")
            print(f"load {os.getloadavg()[0]:.0f}")


def build_packages(folder: Path) -> dict[str, Path]:
    built = TypeScriptClient(make(folder / "typescript"))
    return {
        "Python": client_wheel.build("clients/python", make(folder / "wheel")),
        "TypeScript": built.pack(make(folder / "package")),
    }


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def timed(
    folder: Path, loa: LoaProcess, language: str, packages: dict[str, Path]
) -> tuple[float, float]:
    """Seconds for the installation, and for sending. Fails unless the page holds its word."""
    first_event.prepare(folder, language, packages.get(language))
    name_anew(folder / EVENT)
    steps = first_event.steps_of(language)
    install_s = seconds(lambda: typed(folder, loa, steps.install)) if steps.install else 0.0
    send_s = seconds(lambda: first_event.require_told(typed(folder, loa, steps.send)))
    shutil.rmtree(folder)
    return install_s, send_s


def name_anew(file: Path) -> None:
    """Give the event a name of its own: each run sends another one."""
    event = json.loads(file.read_text("utf-8"))
    event["id"] = event["data"]["content_id"] = f"tin-{time.time_ns()}"
    file.write_text(json.dumps(event, ensure_ascii=False), "utf-8")


def typed(folder: Path, loa: LoaProcess, script: str):
    return first_event.typed(folder, loa.ready().url, loa.key, script)


def seconds(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def spread(times: Sequence[tuple[float, float]], part: int) -> str:
    found = sorted(one[part] for one in times)
    return f"{statistics.median(found):.1f} s ({found[0]:.1f} to {found[-1]:.1f})"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
