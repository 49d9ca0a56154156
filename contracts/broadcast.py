"""What a unit says about the broadcast of an item: whether there is one, and who is told."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from contracts.base import DISTINCT, UNIQUE, ContentId, Contract, Flag, Id
from contracts.provinces import PROVINCES

ALSO_MAX = 4

Ages = Literal["0-12", "13-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65+"]
Gender = Literal["all", "male", "female"]
Region = Literal["north", "central", "south"]


def _known(province: str) -> str:
    if province not in PROVINCES:
        raise PydanticCustomError("unknown_province", "unknown", {"value": province})
    return province


ProvinceId = Annotated[Id, AfterValidator(_known)]


class Broadcast(Contract):
    """Whether followers are told of the item at once, and which of them; nothing said = all."""

    enabled: Flag = True
    """false: an article that nobody is told of."""
    ages: Annotated[tuple[Ages, ...], Field(max_length=8), DISTINCT, UNIQUE] = ()
    gender: Gender = "all"
    regions: Annotated[tuple[Region, ...], Field(max_length=3), DISTINCT, UNIQUE] = ()
    provinces: Annotated[
        tuple[ProvinceId, ...], Field(max_length=len(PROVINCES)), DISTINCT, UNIQUE
    ] = ()
    """Ids of `provinces.toml`; where there are some, `regions` says nothing."""
    also: Annotated[tuple[ContentId, ...], Field(max_length=ALSO_MAX), DISTINCT, UNIQUE] = ()
    """Other items whose articles stand in the same broadcast, behind this one."""


def announced(broadcast: Broadcast | None) -> bool:
    """Whether an item is to be broadcast at all; nothing said = yes."""
    return broadcast is None or broadcast.enabled
