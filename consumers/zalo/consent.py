"""The end of the consent that Zalo gave, as `deliver-zalo` keeps it for `loa status`."""

from channels.zalo.account.status import REFRESH_LIFE_S
from channels.zalo.client.store import TokenGrant
from contracts import subjects
from contracts.records import Record
from producers.bus import Bus
from producers.bus.records import read_or_absent


class KnownConsent(Record):
    """Bucket `control`, key `zalo.consent.<app_id>`: when the refresh token ends; 0: there is none.

    The grant itself is encrypted, and only its worker opens it.
    """

    ends: float = 0.0


def _key(app_id: str) -> str:
    return f"zalo.consent.{app_id}"


def end_of(grant: TokenGrant) -> float:
    """When the consent of *grant* ends; 0 without one."""
    return 0.0 if grant.missing_consent else grant.obtained_at + REFRESH_LIFE_S


async def keep_consent(bus: Bus, app_id: str, ends: float) -> None:
    """Keep when the consent *ends*. Raises BusError."""
    bucket, wanted = bus.bucket(subjects.CONTROL.name), KnownConsent(ends=ends)
    if (await read_or_absent(bucket, _key(app_id), KnownConsent)).value != wanted:
        await bucket.put(_key(app_id), wanted.model_dump_json().encode())


async def consent_ends(bus: Bus, app_id: str) -> float:
    """When the consent ends, in seconds since the epoch; 0 where none is known."""
    bucket = bus.bucket(subjects.CONTROL.name)
    known = (await read_or_absent(bucket, _key(app_id), KnownConsent)).value
    return known.ends if known else 0.0
