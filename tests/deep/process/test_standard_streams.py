"""A Loa whose standard streams are stuck or closed goes on, and ends when it is told to."""

import fcntl
import json
import os
import signal
import subprocess

import pytest

from tests.support.loa_process import LoaProcess, wait_until

STREAMS = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-"}


class StreamedLoa(LoaProcess):
    """`loa up` with other streams than files."""

    def __init__(self, folder, redirect="", **streams):
        super().__init__(folder)
        self.redirect, self.streams = redirect, streams

    def start(self):
        command = f'exec "$0" up --port 0 {self.redirect}'
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", command, *self.command],
            env=self.environ, cwd=self.folder, **self.streams,
        )  # fmt: skip
        return wait_until(self.ready, "ready.json")

    def log(self):
        return ""

    def shows_an_item(self):
        self.add_unit()
        self.publish("tin", "portal")
        return wait_until(lambda: self.page_status("/tin/tin/") == 200, "the item")


@pytest.fixture
def stuck_pipe():
    """A pipe of one page that nothing reads."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    yield write
    os.close(read)
    os.close(write)


def test_a_log_that_is_not_read_stops_nothing(tmp_path, stuck_pipe):
    with StreamedLoa(tmp_path, stdout=stuck_pipe, stderr=stuck_pipe) as loa:
        loa.add_unit()
        for number in range(40):
            loa.publish(f"tin-{number}", "portal")
        wait_until(lambda: loa.page_status("/tin/tin-39/") == 200, "the last item")
        assert loa.request("/livez").status == 200
        assert loa.stop() == 0
    assert not (loa.data / "run" / "ready.json").exists()


@pytest.mark.parametrize("closed", [*STREAMS, "all"])
def test_closed_streams_are_no_end(tmp_path, closed):
    names = [*STREAMS] if closed == "all" else [closed]
    redirect = " ".join(STREAMS[name] for name in names)
    with (
        (tmp_path / "out").open("w") as out,
        (tmp_path / "err").open("w") as err,
        StreamedLoa(tmp_path, redirect, stdout=out, stderr=err) as loa,
    ):
        assert loa.shows_an_item()
        assert loa.stop() == 0
    logged = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    said = [line["streams"] for line in logged if line["event"] == "stdio_closed"]
    assert said == ([] if "stdout" in names else [names])
    assert "stderr" in names or f"{closed}: was closed" in (tmp_path / "err").read_text()


QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def test_a_closed_terminal_is_a_clean_stop(tmp_path):
    outside, terminal = os.openpty()
    name = os.ttyname(terminal)

    def sit_at_terminal() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a run of the tests may ignore it
        os.setsid()
        os.open(name, os.O_RDWR)  # the first terminal that a session's leader opens controls it

    with StreamedLoa(tmp_path, **QUIET, preexec_fn=sit_at_terminal) as loa:
        os.close(terminal)
        os.close(outside)
        assert loa.process.wait(60) == 0
    assert not (loa.data / "run" / "ready.json").exists()


def test_a_loa_that_is_to_outlive_its_terminal_does(tmp_path):
    nohup = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with StreamedLoa(tmp_path, **QUIET, **nohup) as loa:
        loa.process.send_signal(signal.SIGHUP)
        assert loa.request("/livez").status == 200
        assert loa.stop() == 0
