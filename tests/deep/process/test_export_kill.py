"""An export of all readers under kill -9: the file is whole or absent, and no address is left."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.loa_process import LoaProcess

READERS = 3000


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.readers(READERS)
        yield loa


def written(pid: int, folder: Path) -> int:
    """How many bytes *pid* has written to the file that it has open in *folder*."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if folder in link.readlink().parents:
                return link.stat().st_size
        except FileNotFoundError:  # closed meanwhile
            continue
    return 0


def kill_export(loa, words, folder: Path, least: int) -> bool:
    """Kill an export once it has written *least* bytes; whether it had not ended before."""
    export = subprocess.Popen([*loa.command, *words], env=loa.environ, cwd=loa.folder)
    while export.poll() is None and written(export.pid, folder) < least:
        time.sleep(0.001)
    export.kill()
    return export.wait() == -signal.SIGKILL


def test_a_killed_export_leaves_nothing(loa, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "readers.csv"
    words = ("subscribers", "export", "--all", "--out", str(path), "--by", "An")
    for least in (1, 64 << 10):
        while not kill_export(loa, words, folder, least):
            path.unlink()
        assert list(folder.iterdir()) == []
    again = loa.cli(*words)
    assert again.exit_code == 0, again.err
    assert len(path.read_text().splitlines()) == READERS + 1
