"""The check of a file in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from consumers.uploads.file_checks.errors import FileRefused
from consumers.uploads.file_checks.limits import CPU_S, MEMORY_MB, WALL_S

_WORKER = (sys.executable, "-P", "-m", "consumers.uploads.file_checks.worker")


class CheckedFile(NamedTuple):
    """The content that is kept: the file itself, or a picture drawn anew; and its ending."""

    path: Path
    ending: str


def check_file(source: Path) -> CheckedFile:
    """Check a file; a picture is drawn anew beside it. Raises FileRefused."""
    drawn = source.with_suffix(".drawn")
    answer = _ask_worker(source, drawn)
    if code := answer.get("code"):
        raise FileRefused(code, **answer["facts"])
    return CheckedFile(drawn if drawn.exists() else source, answer["ending"])


def _ask_worker(source: Path, drawn: Path) -> dict[str, Any]:
    """The worker's answer; a worker that ends without one met its limits."""
    try:
        done = subprocess.run(  # noqa: S603 -- our own interpreter and module
            (*_WORKER, str(source), str(drawn)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WALL_S,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return {"code": "too_costly", "facts": {"seconds": CPU_S, "memory": MEMORY_MB}}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
