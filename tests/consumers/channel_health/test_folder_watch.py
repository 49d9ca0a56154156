"""A lost folder opens the portal's breaker without any item, and closes it once it is back."""

import pytest

from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.folder_watch import FolderWatch
from tests.support.portal_dir import FIRST, open_portal, public_files, rebuild, send_to
from tests.support.watched_gate import WatchedGate


@pytest.fixture
def gate(bus, clock):
    return WatchedGate(bus, clock)


async def shown_before() -> bool:
    return True


@pytest.fixture
async def portal(tmp_path):
    async with open_portal(tmp_path / "portal", was_shown_before=shown_before) as channel:
        rebuild(tmp_path / "portal", [FIRST])
        yield channel


@pytest.fixture
def watch(gate, portal):
    return FolderWatch(gate, portal)


async def test_a_lost_folder_opens_the_breaker_and_nothing_is_made_in_its_place(
    gate, watch, tmp_path
):
    await watch.look()
    assert gate.current.is_closed
    (tmp_path / "portal").rename(tmp_path / "away")
    await watch.look()
    assert (gate.current.state, gate.current.reason) == (BreakerState.OPEN, "index_lost")
    await watch.look()
    assert not (tmp_path / "portal").exists(), "so that it can be put back"


@pytest.mark.parametrize("how", ["put back", "rebuilt"])
async def test_a_folder_that_is_back_closes_the_breaker_by_a_probe(
    how, gate, watch, portal, clock, tmp_path
):
    folder, away = tmp_path / "portal", tmp_path / "away"
    before = public_files(folder)
    folder.rename(away)
    await watch.look()
    if how == "rebuilt":
        rebuild(folder, [FIRST])
    else:
        away.rename(folder)
    await watch.look()
    assert gate.current.state is BreakerState.OPEN, "its wait is not over"
    clock.advance(30)
    await watch.look()
    assert gate.current.is_closed
    assert public_files(folder) == before
    await send_to(portal, FIRST)


async def test_other_reasons_of_the_breaker_are_left_to_the_batches(gate, watch, clock):
    await gate.record_refused_session("enospc")
    clock.advance(30)
    await watch.look()
    assert (gate.current.state, gate.current.reason) == (BreakerState.OPEN, "enospc")


async def test_a_half_lost_folder_keeps_the_breaker_open(gate, watch, clock, tmp_path):
    """Pages without an index: a writer that looks makes an empty one."""
    for file in (tmp_path / "portal/state").glob("index.sqlite*"):
        file.unlink()
    for _ in range(3):
        await watch.look()
        assert (gate.current.state, gate.current.reason) == (BreakerState.OPEN, "index_lost")
        clock.advance(30)
