"""A clock that a test moves by hand."""

from dataclasses import dataclass


@dataclass
class FakeClock:
    """Seconds since the epoch, standing still until a test moves them."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
