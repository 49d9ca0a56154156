"""Everything that a seed decides, drawn from streams that do not disturb each other."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class RandomStream:
    """A stream of decisions: the same for the same seed and name, on every version of Python."""

    def __init__(self, seed: int, name: str) -> None:
        self.random = Random(f"{seed}/{name}").random

    def is_hit(self, probability: float) -> bool:
        return probability > 0 and self.random() < probability

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return low + int(self.random() * (high - low + 1))

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def subset(self, options: Sequence[T], probability: float) -> list[T]:
        return [one for one in options if self.is_hit(probability)]

    def duration(self, spans: Sequence[tuple[float, float]]) -> float:
        """A length of time from one of several ranges, each as likely."""
        return self.between(*self.choice(spans))
