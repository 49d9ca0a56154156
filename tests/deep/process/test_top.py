"""`loa top` on a real terminal of 80x24: live, q and Ctrl-C end it, and the terminal stays sane."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
from contextlib import suppress

from tests.support.loa_process import LOA, LoaProcess, wait_until

CONTROLS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
HOME, LEAVE = b"\x1b[H", b"\x1b[?1049l"


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, loa: LoaProcess, *words: str) -> None:
        self.master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self.master, False)
        self.before = termios.tcgetattr(self.slave)
        environ = {**loa.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [*LOA, *words], env=environ, cwd=loa.folder, stdin=self.slave, stdout=self.slave,
            stderr=self.slave, start_new_session=True,
        )  # fmt: skip
        self.written = b""

    def read(self) -> bytes:
        with suppress(BlockingIOError):
            self.written += os.read(self.master, 1 << 16)
        return self.written

    def screens(self) -> list[list[str]]:
        """Every whole screen so far, as lines without colours."""
        drawn = self.read().split(HOME)[1:-1]
        return [CONTROLS.sub(b"", one).decode().replace("\r", "").split("\n") for one in drawn]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def test_top_is_live_fits_and_leaves_the_terminal_as_it_was(tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.add_unit()
        loa.readers(30)
        loa.cli("pause", "email", "--reason", "test", "--by", "An")
        wait_until(lambda: '"channel_paused"' in loa.log(), "the pause")
        loa.publish("tin-tren-man-hinh", "email")
        wait_until(lambda: pending(loa) == 30, "the plan")
        for end in (b"q", signal.SIGINT):
            terminal = Terminal(loa, "top", "--interval", "0.5")
            try:
                watch(terminal, end)
            finally:
                terminal.close()


def pending(loa: LoaProcess) -> int:
    """How many mails of the item wait for the channel."""
    return loa.trace("tin-tren-man-hinh").get("channels", {}).get("email", {}).get("pending", 0)


def watch(terminal: Terminal, end: bytes | signal.Signals) -> None:
    def shows_it() -> list[list[str]]:
        seen = terminal.screens()
        return [one for one in seen if any("tin-tren-man-hinh.1" in line for line in one)]

    screens = wait_until(lambda: len(shows_it()) > 2 and shows_it(), "live screens")
    for screen in screens:
        assert len(screen) <= 24
        assert max(map(len, screen)) <= 80
        assert any("paused" in line and "30" in line for line in screen)
    if isinstance(end, bytes):
        os.write(terminal.master, end)
    else:
        terminal.process.send_signal(end)
    assert terminal.process.wait(60) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert LEAVE in terminal.read(), "the screen before is back"
