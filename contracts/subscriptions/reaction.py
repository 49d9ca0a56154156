"""What a reader thinks of an item: one of three words, and nothing about the reader."""

from enum import StrEnum


class Reaction(StrEnum):
    """The levels by which Vietnam's public services measure satisfaction."""

    SATISFIED = "satisfied"
    NEUTRAL = "neutral"
    DISSATISFIED = "dissatisfied"
