"""A nats-server under strace: what it wrote, what of it a power cut leaves, and a failing disk."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from producers.nats_server import find_binary

FILES = "openat,pwrite64,write,writev,fsync,fdatasync,ftruncate,rename,renameat,unlink,unlinkat"
UNFINISHED = " <unfinished ...>"
KILLED = "= ?"
"""A call in the middle of which the process died."""
RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
FILE = re.compile(r"\(\d+<([^>]+)>")
NAMED = re.compile(r'"([^"]+)"')
PWRITE_END = re.compile(r", (\d+), (\d+)\)")
FTRUNCATE = re.compile(r", (\d+)\)")


def traced_server(folder: Path, *, shown: int = 0) -> Path:
    """A binary to start instead of nats-server; `folder/trace` holds its system calls.

    The process is nats-server itself (strace runs beside it), so it can be watched and killed
    as any other. *shown*: how many bytes of what is written the trace tells.
    """
    command = ["strace", "-D", "-f", "-y", "-s", shown, "--seccomp-bpf"]
    return _script(folder, [*command, "-e", f"trace={FILES}", "-o", folder / "trace"])


def faulty_server(folder: Path, fault: str) -> Path:
    """A binary whose server meets *fault* from its start, as long as `folder/broken` exists."""
    name = fault.partition(":")[0]
    command = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={name}"]
    return _script(
        folder,
        [*command, "-e", f"inject={fault}", "-o", "/dev/null"],
        only_if=f"test -e {shlex.quote(str(folder / 'broken'))} || {_exec([])}\n",
    )


@contextmanager
def fault_injected(pid: int, fault: str, file: Path | None = None) -> Iterator[None]:
    """Within, the running server *pid* meets *fault*, like `fsync:error=EIO`.

    `:when=3` counts the calls of each thread by itself, and the server moves its work between
    threads: where one certain call is meant, name its *file*.
    """
    name = fault.partition(":")[0]
    command = ["strace", "-f", "-p", str(pid), "-e", f"trace={name}", "-e", f"inject={fault}"]
    if file:
        command += ["-P", str(file)]
    with subprocess.Popen([*command, "-o", "/dev/null"], stderr=subprocess.PIPE) as tracer:
        try:
            assert b"attached" in tracer.stderr.readline()
            yield
        finally:
            tracer.terminate()


def _exec(before: list[object]) -> str:
    return f'exec {shlex.join(map(str, [*before, find_binary()]))} "$@"'


def _script(folder: Path, before: list[object], only_if: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "nats-server"
    script.write_text(f"#!/bin/sh\n{only_if}{_exec(before)}\n")
    script.chmod(0o755)
    return script


class SystemCall(NamedTuple):
    """A system call begins, or has ended; `text` is the whole call in either case."""

    name: str
    text: str
    ended: bool


def system_calls(trace: Path) -> Iterator[SystemCall]:
    """System calls in order. A call that never ended has only its beginning."""
    open_calls: dict[str, str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        thread, _, text = line.partition(" ")
        text = text.strip()
        begun = open_calls.pop(thread, None) if RESUMED.match(text) else None
        whole = begun + RESUMED.sub("", text) if begun else text
        name = whole.partition("(")[0]
        if whole.endswith(UNFINISHED):
            open_calls[thread] = whole = whole.removesuffix(UNFINISHED)
            yield SystemCall(name, whole, ended=False)
            continue
        if begun is None:
            yield SystemCall(name, whole, ended=False)
        if not whole.endswith(KILLED):
            yield SystemCall(name, whole, ended=True)


@dataclass
class SimulatedDisk:
    """Files as system calls made them: how long each is, and how much of it would survive.

    What directories hold is taken as written at once, which is what ext4 does for a file that is
    fsynced; the content is taken as lost unless an fsync, which ended, began after it was written.
    """

    length: dict[str, int] = field(default_factory=dict)
    synced: dict[str, int] = field(default_factory=dict)
    synchronous: set[str] = field(default_factory=set)
    syncing: dict[str, int] = field(default_factory=dict)

    def apply(self, moment: SystemCall) -> None:
        act: dict[str, Callable[[SystemCall], None]] = {
            "openat": self._opened, "pwrite64": self._written, "write": self._appended,
            "fsync": self._synced, "fdatasync": self._synced, "ftruncate": self._shortened,
            "rename": self._renamed, "renameat": self._renamed,
        }  # fmt: skip
        if moment.name in act and " = -1 " not in moment.text:
            act[moment.name](moment)

    def unsynced(self, path: str) -> int:
        """How many bytes of *path* a power cut would take now."""
        return self.length.get(path, 0) - self.synced.get(path, 0)

    def cut_power(self, below: Path, share: Callable[[], float] = lambda: 0.0) -> int:
        """The power fails: of each file below *below* what is not safe goes, except a *share*."""
        lost = 0
        for name, safe in self.synced.items():
            path = Path(name)
            if not path.is_relative_to(below) or not path.is_file():
                continue
            length = path.stat().st_size
            left = safe + int(share() * max(0, length - safe))
            if left < length:
                lost += length - left
                with path.open("rb+") as file:
                    file.truncate(left)
        return lost

    def _opened(self, moment: SystemCall) -> None:
        if not moment.ended or "O_RDONLY" in moment.text:
            return
        path = NAMED.search(moment.text)[1]
        (self.synchronous.add if "O_SYNC" in moment.text else self.synchronous.discard)(path)
        if "O_TRUNC" in moment.text:
            self.length[path] = self.synced[path] = 0

    def _written(self, moment: SystemCall) -> None:
        if moment.ended:
            size, start = map(int, PWRITE_END.search(moment.text).groups())
            self._grow(FILE.search(moment.text)[1], start + size)

    def _appended(self, moment: SystemCall) -> None:
        path = FILE.search(moment.text)[1]
        if moment.ended and path in self.length:
            self._grow(path, self.length[path] + int(moment.text.rpartition("= ")[2]))

    def _grow(self, path: str, end: int) -> None:
        self.length[path] = max(self.length.get(path, 0), end)
        self.synced.setdefault(path, 0)
        if path in self.synchronous:
            self.synced[path] = self.length[path]

    def _synced(self, moment: SystemCall) -> None:
        """Only what was written before the call began is safe when it ends."""
        path = FILE.search(moment.text)[1]
        if not moment.ended:
            self.syncing[path] = self.length.get(path, 0)
        elif path in self.syncing:
            self.synced[path] = max(self.synced.get(path, 0), self.syncing.pop(path))

    def _shortened(self, moment: SystemCall) -> None:
        if moment.ended:
            path, length = FILE.search(moment.text)[1], int(FTRUNCATE.search(moment.text)[1])
            self.length[path] = self.synced[path] = length

    def _renamed(self, moment: SystemCall) -> None:
        if not moment.ended:
            return
        old, new = NAMED.findall(moment.text)[:2]
        for kept in (self.length, self.synced):
            if old in kept:
                kept[new] = kept.pop(old)


def disk_after(trace: Path) -> SimulatedDisk:
    """The disk at the end of *trace*."""
    found = SimulatedDisk()
    for moment in system_calls(trace):
        found.apply(moment)
    return found
