"""Facts: what happened, in numbers without personal data, from which every report is made."""

from contracts.facts.kinds import (
    FACT_POSITIONS_KEY,
    DayFact,
    DecisionFact,
    DeliveryFact,
    EventsFact,
    Fact,
    FactKind,
    IncidentFact,
    NoticesFact,
    OpinionsFact,
    ReadersFact,
    RefusalsFact,
    ReleaseFact,
    decode,
)

__all__ = [
    "FACT_POSITIONS_KEY",
    "DayFact",
    "DecisionFact",
    "DeliveryFact",
    "EventsFact",
    "Fact",
    "FactKind",
    "IncidentFact",
    "NoticesFact",
    "OpinionsFact",
    "ReadersFact",
    "RefusalsFact",
    "ReleaseFact",
    "decode",
]
