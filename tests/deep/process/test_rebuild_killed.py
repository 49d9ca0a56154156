"""A rebuild that renders in processes of its own is killed: whole files, and no process is left."""

import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from channels.portal.writer.audit import FolderAudit
from tests.support.loa_process import wait_until
from tests.support.portal_dir import (
    WORDS,
    check_complete,
    new_writer,
    public_files,
    rebuild,
    site_files,
)
from tests.support.portal_log import drawn_log

KILLS, COUNT, PROCESSES = 5, 60, 2
PATIENCE_S = 180.0
pytestmark = pytest.mark.timeout(PATIENCE_S * (KILLS + 2))
SCRIPT = f"""
import sys
from pathlib import Path
from channels.portal.writer import rebuild, staging
from tests.support import portal_dir
from tests.support.portal_log import drawn_log

class Told(rebuild.RenderProcesses):
    def map(self, work, tasks):
        for result in super().map(work, tasks):
            print(*(one._process.pid for one in self._processes), flush=True)
            sys.stdin.readline()
            yield result

rebuild.process_count = lambda items: {PROCESSES}
rebuild.RenderProcesses = Told
rebuild.CHUNK_SIZE = staging.CHUNK_SIZE = 5
portal_dir.rebuild(Path(sys.argv[1]), drawn_log({COUNT}, portal_dir.WORDS, int(sys.argv[2])))
"""


def started(folder, seed):
    """A rebuild that tells the ids of its processes with each result, and waits for a line."""
    command, pipe = [sys.executable, "-c", SCRIPT, folder, str(seed)], subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def completed(folder, seed):
    """The number of its results."""
    with started(folder, seed) as process:
        told, _ = process.communicate("\n" * 1000)
    assert process.returncode == 0
    return told.count("\n")


def has_ended(pid):
    """Also where no parent has asked for its end yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def killed_at(folder, seed, step):
    """Kill a rebuild after *step* results; the ids of its processes."""
    with started(folder, seed) as process:
        for _ in range(step):
            pids = [int(pid) for pid in process.stdout.readline().split()]
            process.stdin.write("\n")
            process.stdin.flush()
        assert not any(map(has_ended, pids)), "all are there"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return pids


def finished_by_next_start(folder, left_over):
    """As `PortalChannel.prepare` and its renewal do it; the files that are still wrong.

    A rebuild removes files of the other log last, so a killed one may leave those at *left_over*.
    """
    with closing(new_writer(folder)) as writer:
        while writer.rewrite_stale(100).has_work:
            pass
    audit = FolderAudit(folder, site_files())
    with closing(audit.open_snapshot()) as snapshot:
        problems = list(audit.find_problems(snapshot))
    assert not list((folder / "state/aside").iterdir())
    strays = {("page-unexpected", path) for path in left_over}
    return [one for one in problems if (one.rule, one.path) not in strays]


def test_the_folder_is_whole_no_process_stays_and_the_next_start_finishes(tmp_path):
    folder, wanted = tmp_path / "portal", []
    for seed in (0, 1):
        rebuild(tmp_path / str(seed), drawn_log(COUNT, WORDS, seed))
        wanted.append(public_files(tmp_path / str(seed)))
    only_in_one = wanted[0].keys() ^ wanted[1].keys()
    steps = completed(folder, 0)
    assert public_files(folder) == wanted[0]
    rng = random.Random(5)
    for kill in range(KILLS):
        step = 1 + rng.randrange(kill * steps // KILLS, (kill + 1) * steps // KILLS)
        seed = (kill + 1) % 2
        pids = killed_at(folder, seed, min(step, steps - 1))
        assert len(pids) == PROCESSES
        for path, body in public_files(folder).items():
            assert body in [files.get(path) for files in wanted], path
            check_complete(path, body)
        wait_until(lambda: all(map(has_ended, pids)), "its processes to end", PATIENCE_S)  # noqa: B023
        assert finished_by_next_start(folder, only_in_one) == []
    completed(folder, seed)
    assert public_files(folder) == wanted[seed]
    assert not (folder / "state/rebuild").exists()
