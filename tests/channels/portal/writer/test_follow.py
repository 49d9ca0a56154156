"""Portals write the same bytes from one log, with kills in between and without."""

import random
from contextlib import closing, suppress
from pathlib import Path

import pytest

from channels.portal.writer.writer import PortalWriter
from contracts.base import crash_points
from contracts.vocabulary import CORRECTIONS_TOPIC
from tests.support.crashing_bus import SimulatedCrash
from tests.support.portal_dir import (
    new_writer,
    public_files,
    publish,
    rebuild,
    site_files,
    words_with,
)
from tests.support.portal_log import drawn_log

WORDS = words_with("lich-nghi-le", "viec-lam", CORRECTIONS_TOPIC)
LOG = drawn_log(36, WORDS)


class Kills:
    """Ends a writer so many times, each after a drawn number of crash points."""

    def __init__(self, seed: int, count: int) -> None:
        self.rng, self.left = random.Random(seed), count
        self.draw()

    def draw(self) -> None:
        self.passes = self.rng.randrange(1, 400)

    def __call__(self, point: str) -> None:
        self.passes -= 1
        if self.passes == 0 and self.left:
            self.left -= 1
            self.draw()
            raise SimulatedCrash


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, bytes]:
    """The files of a portal to which everything was delivered, one after the other."""
    folder = tmp_path_factory.mktemp("portal")
    publish(folder, *LOG, words=WORDS)
    return public_files(folder)


def follow(writer: PortalWriter, chunk: int) -> None:
    """Follow the log from where the folder's index is."""
    begin = int(writer.position() or 0)
    for first in range(begin, len(LOG), chunk):
        behind = min(first + chunk, len(LOG))
        writer.follow(LOG[first:behind], str(behind))


@pytest.mark.parametrize("chunk", [1, 7, len(LOG)])
def test_a_replica_has_the_files_of_a_portal(tmp_path, written, chunk):
    writer = new_writer(tmp_path, words=WORDS)
    follow(writer, chunk)
    assert public_files(tmp_path) == written
    assert writer.position() == str(len(LOG))
    writer.close()


@pytest.mark.parametrize("seed", range(1))
def test_a_replica_that_is_killed_again_and_again_has_them_too(tmp_path, written, seed):
    kills = Kills(seed, 8)
    crash_points.arm(kills)
    try:
        while not follows_to_the_end(tmp_path):
            pass
    finally:
        crash_points.arm(None)
    assert not kills.left
    assert public_files(tmp_path) == written


def follows_to_the_end(folder: Path) -> bool:
    """Whether a new process comes to the end of the log alive."""
    files = site_files(words=WORDS)
    writer = PortalWriter(folder, files, lock_timeout_s=5.0)
    with closing(writer), suppress(SimulatedCrash):
        writer.prepare()
        follow(writer, 5)
        return True
    return False


def test_a_portal_that_is_made_anew_has_them_too(tmp_path, written):
    rebuild(tmp_path, random.Random(5).sample(LOG, len(LOG)), words=WORDS)
    assert public_files(tmp_path) == written
