"""Check a file within limits of time and memory; the answer is JSON on stdout.

A hostile file that exhausts a parser ends this process alone, which has no environment and no
connection to the bus. Arguments: the file, and where a picture is drawn anew.
"""

import json
import resource
import sys
from pathlib import Path

from consumers.uploads.file_checks.errors import FileRefused
from consumers.uploads.file_checks.limits import CPU_S, MEMORY_MAX, WRITTEN_MAX


def main(source: str, target: str) -> None:
    """Answer `{"ending"}`, or `{"code", "facts"}` for a refused file."""
    _limit()
    from consumers.uploads.file_checks.kinds import (
        check_content,  # its libraries load within limits
    )

    try:
        answer: dict[str, object] = {
            "ending": check_content(Path(source).read_bytes(), Path(target))
        }
    except FileRefused as refused:
        answer = {"code": refused.code, "facts": refused.facts}
    json.dump(answer, sys.stdout)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN_MAX, WRITTEN_MAX))


if __name__ == "__main__":
    main(*sys.argv[1:])
