"""The process from which `loa` commands are forked, of any version: it imports nothing but `loa`.

An order comes as a line on stdin; the exit code of its command goes as a line to stdout.
"""

import gc
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from consumers.cli import main
from consumers.cli.root import Commands
from tests.support.drill import PATIENCE_S as PATIENCE_S

STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))


def next_order() -> dict[str, Any]:
    """Return in a new process for each order that comes; the first process ends with its input."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
    sys.exit()


def obey(order: dict[str, Any]) -> None:
    """Take on the streams, the folder, the environment and the words of *order*."""
    signal.alarm(PATIENCE_S)
    for number, (name, flags) in enumerate(STREAMS):
        os.dup2(os.open(Path(order["streams"], name), flags), number)
        setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv = ["loa", *order["words"]]


if __name__ == "__main__":
    for path in Commands.command_paths.values():
        import_module(path.module)
    gc.freeze()  # a search for garbage would copy every page
    obey(next_order())
    main()
