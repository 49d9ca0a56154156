"""A rebuild of the portal's files that is killed at any moment."""

import multiprocessing
import os
import random
import shutil
import signal

from tests.support.portal_dir import check_complete, public_files, publish, rebuild
from tests.support.released_items import CORRECTED, FIRST, ITEMS


def test_killed_at_any_moment_a_rebuild_leaves_what_the_next_one_finishes(tmp_path):
    publish(tmp_path / "old", *ITEMS, FIRST)
    publish(tmp_path / "clean", *ITEMS, CORRECTED)
    chance = random.Random(7)
    for number in range(12):
        folder = tmp_path / f"try-{number}"
        shutil.copytree(tmp_path / "old", folder)
        worker = multiprocessing.get_context("fork").Process(
            target=rebuild, args=(folder, [*ITEMS, CORRECTED])
        )
        worker.start()
        worker.join(chance.uniform(0.0, 0.12))
        if worker.is_alive():
            os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        for path, body in public_files(folder).items():
            check_complete(path, body)
        rebuild(folder, [*ITEMS, CORRECTED])
        assert public_files(folder) == public_files(tmp_path / "clean"), f"seed 7, try {number}"
