"""A reader's reaction to an item: one of three values, without any data about the reader."""

from enum import StrEnum


class Reaction(StrEnum):
    """The levels by which Vietnam's public services measure satisfaction."""

    SATISFIED = "satisfied"
    NEUTRAL = "neutral"
    DISSATISFIED = "dissatisfied"
