"""Story of a seed: its readers, the publications with their times, and the faults."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, get_args

from contracts.content import RequestableLane
from contracts.delivery import ChannelName, Lane
from contracts.publication import Publication
from tests.deep.model.random_streams import RandomStream
from tests.deep.model.receivers import (
    OfficialAccountKind,
    OutcomeOdds,
    PaidMessage,
    PortalFolder,
    ReceiverKind,
)
from tests.deep.model.simulated_bus import NetworkFaults
from tests.deep.model.virtual_loop import EPOCH_S
from tests.support.publications import a_publication

EMAIL, PORTAL, ZALO = ChannelName.EMAIL, ChannelName.PORTAL, ChannelName.ZALO
POOL = tuple(f"r{number:02d}" for number in range(26))


@dataclass
class Position:
    """One released revision: known to the item's record at `decided_s`, in the stream later."""

    publication: Publication
    decided_s: float
    stored_s: float


@dataclass
class Scenario:
    """One seed's setting."""

    seed: int
    kinds: dict[ChannelName, ReceiverKind]
    processes: int
    same_slots: bool
    sweeps: bool
    ends_s: float  # of the faults
    network_faults: NetworkFaults
    outcome_odds: dict[ChannelName, OutcomeOdds]
    kills: float
    freezes: float
    positions: list[Position] = field(default_factory=list)
    readers: list[tuple[float, str, bool]] = field(default_factory=list)


def scenario(seed: int, *, is_clustered: bool = False) -> Scenario:
    """The setting of *seed*; on a cluster the same, but with replicas that may be behind."""
    chance = RandomStream(seed, "story")
    kinds = channels(chance)
    ends_s = chance.duration(((40.0, 120.0), (100.0, 300.0)))
    story = Scenario(
        seed=seed,
        kinds=kinds,
        processes=chance.choice((1, 2, 2)),
        same_slots=chance.is_hit(0.5),
        sweeps=chance.is_hit(0.3),
        ends_s=ends_s,
        network_faults=network_faults(chance),
        outcome_odds={name: outcome_odds(chance) for name in kinds},
        kills=chance.choice((0.0, 0.002, 0.005, 0.015)),
        freezes=chance.choice((0.0, 0.002, 0.005, 0.01)),
    )
    for number in range(chance.choice((1, 1, 2))):
        story.positions += positions(chance, f"tin-{number}", kinds, ends_s)
    story.readers = readers(chance, ends_s)
    if is_clustered:
        faults, cluster = story.network_faults, RandomStream(seed, "cluster")
        faults.is_clustered, faults.behind = True, cluster.choice((0.05, 0.3, 0.9))
    return story


def channels(chance: RandomStream) -> dict[ChannelName, ReceiverKind]:
    """Mostly mail; sometimes others beside it, or instead of it."""
    timeout_s = chance.choice((2.0, 8.0, 20.0, 30.0))
    times = {"request_timeout_s": timeout_s, "settle_s": timeout_s + 30.0}
    mail = ReceiverKind(EMAIL, window=chance.choice((1, 2, 2, 3)), **times)
    portal = PortalFolder(PORTAL, window=1, connections=1, request_timeout_s=10.0, settle_s=0.0)
    zalo = chance.choice((PaidMessage(ZALO, **times), OfficialAccountKind(ZALO, window=1, **times)))
    drawn = chance.random()
    if drawn < 0.5:
        return {EMAIL: mail}
    if drawn < 0.65:
        return {EMAIL: mail, PORTAL: portal}
    if drawn < 0.9:
        return {ZALO: zalo}
    return {EMAIL: mail, ZALO: zalo}


def network_faults(chance: RandomStream) -> NetworkFaults:
    levels = (0.0, 0.0, 0.01, 0.04, 0.12)
    return NetworkFaults(
        lost=chance.choice(levels),
        unanswered=chance.choice(levels),
        late=chance.choice(levels),
        slow=chance.choice((0.0, 0.05, 0.5)),
        base_s=chance.choice((0.0005, 0.005, 0.1)),
    )


def outcome_odds(chance: RandomStream) -> OutcomeOdds:
    levels = (0.0, 0.0, 0.02, 0.08, 0.2)
    return OutcomeOdds(
        later=chance.choice(levels),
        held=chance.choice((0.0, 0.0, 0.05)),
        never=chance.choice((0.0, 0.0, 0.08)),
        unwanted=chance.choice((0.0, 0.0, 0.05)),
        cut_before=chance.choice((0.0, 0.0, 0.08)),
        silent=chance.choice(levels),
        silent_after=chance.choice(levels),
        silent_late=chance.choice(levels),
        away=chance.choice((0.0, 0.0, 0.15)),
        slow_s=chance.choice((0.01, 0.5, 4.0, 15.0)),
        receipts=chance.choice((0.0, 0.4)),
    )


def positions(
    chance: RandomStream, content_id: str, kinds: dict[ChannelName, ReceiverKind], ends_s: float
) -> list[Position]:
    told: list[Position] = []
    decided_s = chance.between(0.0, 5.0)
    lane = chance.choice(get_args(RequestableLane))
    for revision in range(1, chance.choice((1, 2, 2, 3, 3, 4)) + 1):
        held_up_s = chance.between(0.1, 30.0) if chance.is_hit(0.12) else 0.0
        publication = a_position(chance, kinds, Draft(content_id, revision, lane, decided_s))
        told.append(Position(publication, decided_s, decided_s + held_up_s))
        decided_s += chance.duration(((0.01, 0.3), (0.3, 4.0), (4.0, 60.0), (60.0, 150.0)))
        gone = publication.action == "withdrawn" and chance.is_hit(0.8)
        if decided_s > ends_s or gone:
            break
    return told


class Draft(NamedTuple):
    """Parts of a position that are settled before anything else is drawn."""

    content_id: str
    revision: int
    lane: Lane
    at_s: float


def a_position(
    chance: RandomStream, kinds: dict[ChannelName, ReceiverKind], draft: Draft
) -> Publication:
    content_id, revision, lane, at_s = draft
    changes: dict[str, Any] = {"content_id": content_id, "revision": revision, "lane": lane}
    changes["channels"] = [one for one in ChannelName if one not in kinds or chance.is_hit(0.85)]
    if revision > 1:
        withdrawn = chance.is_hit(0.3)
        changes |= {"action": "withdrawn" if withdrawn else "corrected", "reason": ""}
    if chance.is_hit(0.1):
        changes["not_before"] = datetime_at(at_s + chance.between(3.0, 60.0))
    if chance.is_hit(0.15):
        changes["expires_at"] = datetime_at(at_s + 61.0 + chance.between(0.0, 200.0))
    changes["channels"] = changes["channels"] or [ChannelName.PORTAL]
    return a_publication(**changes)


def datetime_at(at_s: float) -> datetime:
    return datetime.fromtimestamp(round(EPOCH_S + at_s, 3), UTC)


def readers(chance: RandomStream, ends_s: float) -> list[tuple[float, str, bool]]:
    """Who is there at first, who comes, and who leaves: (when, id, here)."""
    told = [(0.0, id, True) for id in chance.subset(POOL, chance.choice((0.15, 0.3, 0.6)))]
    there = {id for _, id, _ in told}
    restless = chance.choice((0.0, 0.1, 0.4))
    for id in POOL:
        at_s = 0.0
        while chance.is_hit(restless):
            at_s += chance.duration(((0.05, 8.0), (5.0, ends_s)))
            there ^= {id}
            told.append((at_s, id, id in there))
    return sorted(told)
