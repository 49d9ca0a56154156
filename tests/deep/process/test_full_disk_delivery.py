"""A disk that fills in the middle of a delivery: once there is room, all goes out by itself."""

from collections import Counter
from contextlib import suppress

import pytest

from consumers.operations.sweep import GRACE_S, INTERVAL_S
from tests.support import requirements
from tests.support.frozen_process import frozen
from tests.support.loa_process import LoaProcess, wait_until

READERS = 2000
DISK = "96m"
ITEM = "tin-day"
FULL_S = WORK_S = 180.0


@pytest.fixture
def loa(tmp_path, relay):
    """Its data on a small disk, its log beside it; one connection, so batches come in turn."""
    requirements.small_disks()
    with (
        requirements.small_disk(tmp_path / "data", DISK),
        LoaProcess(tmp_path, **relay.settings, EMAIL_CONNECTIONS=1) as loa,
    ):
        loa.add_unit()
        loa.readers(READERS)
        yield loa


def fill_until_refused(loa: LoaProcess):
    """Keep the disk full until a worker could not note its batches; the ballast."""

    def is_refused() -> bool:
        with suppress(OSError):
            requirements.fill(loa.data)  # also what the server gave back meanwhile
        return bool(loa.logged("slot_file_unwritten"))

    wait_until(is_refused, "a worker without room for its list", FULL_S, pause_s=0.1)
    return loa.data / "ballast"


def ended(loa: LoaProcess) -> dict | None:
    """The counts once mail and pages have ended; Zalo's broadcast may wait for its article."""
    channels = loa.trace(ITEM).get("channels", {})
    is_over = channels and all(channels[name]["complete"] for name in ("portal", "email"))
    return channels if is_over else None


def is_idle(loa: LoaProcess) -> bool:
    """Whether each worker's list of batches in work is empty; a window of Zalo may end last."""
    slots = loa.data / "run" / "slots"
    return [path.read_text() for path in slots.glob("*-*")] == [""] * 3


def test_a_delivery_that_met_a_full_disk_goes_on_without_a_restart(loa, relay):
    loa.publish(ITEM, "portal", "email", "zalo")
    wait_until(lambda: relay.count() > READERS // 20, "the first mails")
    with frozen(relay.process.pid):
        requirements.fill(loa.data)
    ballast = fill_until_refused(loa)
    assert relay.count() < READERS, "in the middle"
    ballast.unlink()
    told = wait_until(lambda: ended(loa), "every row", INTERVAL_S + GRACE_S + WORK_S, pause_s=1.0)
    mails = Counter(relay.accepted_mails())
    assert len(mails) == told["email"]["delivered"] == READERS
    assert mails.total() - READERS <= told["email"]["maybe_duplicate"], "copies are declared"
    assert told["portal"]["delivered"] == 1
    assert loa.violations() == []
    wait_until(lambda: is_idle(loa), "workers with nothing in work", WORK_S)
