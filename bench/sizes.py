"""How much of everything a run of the bench does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The numbers of a whole run; `small` is for looking whether everything still works."""

    repetitions: int = 3
    mails: int = 20_000
    slow_mails: int = 250
    """Through a receiver that waits 10 ms before each reply."""
    peer_mails: int = 20_000
    steps: tuple[int, ...] = (1_000, 20_000, 200_000, 1_000_000)
    urgent: int = 60
    bulk: int = 200_000
    """Readers of the bulk item that urgent ones overtake."""
    notices: int = 200
    events: int = 4_000
    renders: int = 20_000
    items: int = 100_000
    """Of the portal."""
    serving_s: int = 5
    desk_items: int = 50_000
    desk_s: float = 60.0
    watchers: int = 200
    watch_s: float = 300.0


SMALL = Sizes(
    repetitions=1,
    mails=60,
    slow_mails=12,
    peer_mails=40,
    steps=(10, 40, 60),
    urgent=3,
    bulk=2_000,
    notices=8,
    events=60,
    renders=50,
    items=200,
    serving_s=1,
    desk_items=300,
    desk_s=5.0,
    watchers=30,
    watch_s=4.0,
)
