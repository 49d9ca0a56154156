"""Followers of an Official Account, as a list in memory and in the sandbox."""

from datetime import UTC, date, datetime

from channels.zalo.account.followers import (
    PAGE_SIZE,
    FollowerApi,
    FollowerPage,
    FollowerScan,
    ScanRange,
)
from consumers.suppression.store import SuppressionStore
from consumers.zalo.follower_sync import FollowerSync
from consumers.zalo.followers import FollowerStore
from tests.support.zalo_webhook import T0

APP = "sandbox-app"
TODAY = date(2027, 1, 15)


class FollowerList:
    """People by the day of their last interaction (None: never), as Zalo lists them."""

    def __init__(self, days: dict[date | None, int], others: int = 0) -> None:
        self.days = [day for day, count in days.items() for _ in range(count)]
        self.people = {True: list(enumerate(self.days)), False: [(-1, None)] * others}
        self.asked: list[tuple[ScanRange, int]] = []

    def page(self, part: ScanRange, offset: int) -> FollowerPage:
        assert offset <= 9951
        self.asked.append((part, offset))
        found = [
            number
            for number, day in self.people[part.follows]
            if part.since is None or (day is not None and part.since <= day <= part.until)
        ]
        return FollowerPage(
            len(found), tuple(str(one) for one in found[offset : offset + PAGE_SIZE])
        )

    def walked(self) -> tuple[FollowerScan, set[str]]:
        walk, seen = FollowerScan(began=T0), set()
        while walk.left:
            page = self.page(walk.current_range, walk.offset)
            seen |= set(page.user_ids) if walk.current_range.follows else set()
            walk = FollowerScan.model_validate_json(walk.model_dump_json()).advance(page, TODAY)
        return walk, seen


def a_roll_call(bus, account) -> FollowerSync:
    lists, suppressions = FollowerApi(account.channel.api), SuppressionStore(bus, b"secret")
    return FollowerSync(bus, FollowerStore(bus, b"secret"), suppressions, lists, APP, account.clock)


def populate(account, count: int, days: int, *, follower: bool = True, first: int = 10**18) -> None:
    """Create people whose last interactions lie on the last *days*, in order."""
    now, world = account.clock(), account.sandbox.world
    for number in range(count):
        last = now - (number % days) * 86_400
        person = {
            "user_id": str(first + number), "follower": follower, "last_interaction": last,
        }  # fmt: skip
        world.apply({"kind": "person_set", "at": datetime.fromtimestamp(now, UTC).isoformat(),
                     "person": person})  # fmt: skip
