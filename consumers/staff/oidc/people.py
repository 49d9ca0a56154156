"""People whom the provider vouches for and who have no account: they wait for an account manager.

Bucket `staff`, key `pending.<digest of issuer and subject>`. An entry grants nothing: a manager
links it to an account, whose roles Loa alone grants. It is forgotten after 30 days.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ConfigDict

from consumers.staff.accounts import OidcSubject
from contracts import subjects
from contracts.base.times import Clock, utc_now
from producers.bus import Bus, records

if TYPE_CHECKING:
    from consumers.staff.oidc.id_token import Identity

log = structlog.get_logger()
_KEPT = timedelta(days=30)
_MOST = 500
_PREFIX = "pending."


class PendingPerson(BaseModel):
    """One person, as the provider describes them. Name and login are for people to look at."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    subject: str
    name: str = ""
    login: str = ""
    first_seen: datetime
    last_seen: datetime

    @property
    def identity(self) -> OidcSubject:
        return OidcSubject(issuer=self.issuer, subject=self.subject)


@dataclass
class PendingPeople:
    """The people who wait. Raises BusError when the bus fails."""

    bus: Bus
    clock: Clock

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.STAFF.name)

    async def add(self, identity: "Identity") -> None:
        """Note that the person asked; of more than 500 the later ones are only logged."""
        now = utc_now(self.clock)
        key = _key(OidcSubject(issuer=identity.issuer, subject=identity.subject))
        known = await records.read(self.bucket, key, PendingPerson)
        if known.value is None and await self._is_full(now):
            log.warning("oidc_people_full", most=_MOST)
            return
        seen = PendingPerson(
            issuer=identity.issuer, subject=identity.subject, name=identity.name,
            login=identity.login, first_seen=now, last_seen=now,
        )  # fmt: skip

        def note(before: PendingPerson | None) -> PendingPerson:
            first = before.first_seen if before else now
            return seen.model_copy(update={"first_seen": first})

        await records.update(self.bucket, key, PendingPerson, note)

    async def all(self) -> list[PendingPerson]:
        """Everyone who asked within 30 days, the latest first."""
        pairs = [pair async for pair in self.bucket.values(_PREFIX)]
        people = [PendingPerson.model_validate_json(value.data) for _, value in pairs]
        oldest = utc_now(self.clock) - _KEPT
        recent = [person for person in people if person.last_seen > oldest]
        return sorted(recent, key=lambda person: person.last_seen, reverse=True)

    async def remove(self, identity: OidcSubject) -> None:
        await self.bucket.purge(_key(identity))

    async def _is_full(self, now: datetime) -> bool:
        """Forget the people of long ago; whether there are too many of the others."""
        count = 0
        async for key, value in self.bucket.values(_PREFIX):
            if PendingPerson.model_validate_json(value.data).last_seen > now - _KEPT:
                count += 1
            else:
                await self.bucket.purge(key)
        return count >= _MOST


def _key(identity: OidcSubject) -> str:
    return f"{_PREFIX}{identity.digest}"
