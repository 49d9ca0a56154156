"""`loa` as an operator runs it, in the test's own process: quicker than a process of its own."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from consumers.cli.root import app, client_settings
from tests.support.json_answers import check_answer


@dataclass(frozen=True)
class InProcessCli:
    """`await loa("status", "--json")`: the words, behind *first*, under these variables."""

    environ: dict[str, str]
    words: tuple[str, ...] = ()

    async def __call__(self, *words: object, stdin: str = "", **changes: str) -> Result:
        """On a thread: the command has a loop of its own."""
        arguments = [*self.words, *map(str, words)]
        given = {"input": stdin, "env": self.environ | changes, "obj": client_settings}
        run = await asyncio.to_thread(CliRunner().invoke, app, arguments, **given)
        check_answer(arguments, run.exit_code, run.stdout)
        return run

    def extended(self, *first: str, **more: str) -> "InProcessCli":
        """The same one with more words before all others, and more variables."""
        return InProcessCli(self.environ | more, (*self.words, *first))


def json_output(run: Result) -> Any:
    """Output under `--json`: the last line, for under test the log goes to stdout, too."""
    return json.loads(run.stdout.splitlines()[-1])
