"""Recipients of a broadcast in Zalo's codes."""

from collections.abc import Collection
from typing import get_args

from contracts.content import Ages, Broadcast, Region
from contracts.vocabulary import PROVINCES

_AGES = {group: code for code, group in enumerate(get_args(Ages))}
_GENDERS = {"male": 1, "female": 2}
_REGIONS = {region: code for code, region in enumerate(get_args(Region))}


def target_codes(broadcast: Broadcast | None) -> dict[str, str]:
    """Zalo's `target`; empty for all followers.

    Zalo counts the 63 provinces of before July 2025, so that a province of today is the sum of its
    parts. Zalo prefers provinces to regions: with provinces no region is named.
    """
    if broadcast is None:
        return {}
    places = {code for province in broadcast.provinces for code in PROVINCES[province].zalo}
    regions = [] if places else [_REGIONS[region] for region in broadcast.regions]
    target: dict[str, Collection[int]] = {
        "ages": [_AGES[group] for group in broadcast.ages],
        "gender": [_GENDERS[broadcast.gender]] if broadcast.gender in _GENDERS else [],
        "locations": regions,
        "cities": places,
    }
    return {field: ",".join(map(str, sorted(codes))) for field, codes in target.items() if codes}
