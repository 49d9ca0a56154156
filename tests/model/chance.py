"""Everything that a seed decides, drawn from streams that do not disturb each other."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of decisions: the same for the same seed and name, on every version of Python."""

    def __init__(self, seed: int, name: str) -> None:
        self.random = Random(f"{seed}/{name}").random

    def happens(self, probability: float) -> bool:
        return probability > 0 and self.random() < probability

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def whole(self, low: int, high: int) -> int:
        """Both ends included."""
        return low + int(self.random() * (high - low + 1))

    def one(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def some(self, options: Sequence[T], probability: float) -> list[T]:
        return [one for one in options if self.happens(probability)]

    def span(self, spans: Sequence[tuple[float, float]]) -> float:
        """A length of time from one of several ranges, each as likely."""
        return self.between(*self.one(spans))
