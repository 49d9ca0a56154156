"""The anchor: the state of the bus in a signed file outside it, which the bus is compared with.

A wrong key is told before all else: the anchor can't be read with it, and is not blamed.
An anchor that shows damage is left as it is, so that the damage stays in sight until an operator
has restored a backup or has accepted the bus as it is. Both are signed on the bus, too: other
machines believe them. What a bus that can't store seems to have lost is judged once it can.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from consumers.audit.bus_state import BusState, Damage, Observation, find_damage, observe
from consumers.audit.chain import ChainHead
from consumers.audit.cut import load_cut
from consumers.audit.errors import AnchorBroken
from consumers.audit.inbound_losses import InboundLosses, with_copies
from consumers.audit.log import AuditLog
from consumers.audit.signed import signing_key
from consumers.errors import KeyFileBroken
from consumers.key_file import KEY_FILE_FIELD, KeyFile, is_refuted
from consumers.private_files import replace_file
from consumers.runtime.store_check import store_problem
from contracts import subjects
from contracts.base.times import Clock, utc_now
from contracts.errors import Invalid
from producers.bus import Bus, BusError, NoReply
from producers.bus.periodic import attempt, every

log = structlog.get_logger()
_ACCEPTED_KEY = "bus-state"
_RENEW_S = 60.0
_BROKEN = Damage("bus-state.json", "bus_anchor_broken", {})


@dataclass
class Anchor:
    """The file at *path*, signed with a key from the file *key_path*.

    `bus_trouble`: why the bus can't store now; empty if it can.
    """

    bus: Bus
    path: Path
    key_path: Path
    clock: Clock
    bus_trouble: Callable[[Bus], Awaitable[str]] = store_problem
    damages: list[Damage] = field(default_factory=list)
    """The result of the last comparison."""
    unjudged: str = ""
    """Why the last comparison left open what counts tell; empty if it judged everything."""

    def __post_init__(self) -> None:
        self._inbound = InboundLosses(self.bus)

    async def run(self) -> None:
        await every(_RENEW_S, self.renew)

    async def finish(self) -> None:
        """Renew at a clean stop, if the bus still answers."""
        await attempt(self.renew)

    async def renew(self) -> None:
        """Compare, and write the present state unless it shows damage. Raises BusError.

        What was judged before stays in sight while nothing can be judged.
        """
        earlier = self.damages
        before, now, damages = await self._compare()
        if self.unjudged:
            damages += [one for one in earlier if one.is_by_counts]
        self._note(damages)
        if damages or self.unjudged or not self.key_path.exists():
            return
        try:
            await self._write(before, now)
        except (AnchorBroken, OSError) as error:
            log.warning("bus_state_unwritten", error=type(error).__name__)
        else:
            if before is None:
                log.info("bus_state_first", streams=len(now.streams))

    def _note(self, damages: list[Damage]) -> None:
        """Log damage that is new, and damage that is no more."""
        for damage in damages:
            if damage not in self.damages:
                log.error("bus_damaged", stream=damage.stream, damage=damage.code)
        named = {(damage.stream, damage.code) for damage in damages}
        for damage in self.damages:
            if (damage.stream, damage.code) not in named:
                log.warning("bus_damage_ended", stream=damage.stream, damage=damage.code)
        self.damages = damages

    async def examine(self) -> list[Damage]:
        """Compare only. Raises BusError."""
        return (await self._compare())[2]

    async def find_lost(self, missing: Iterable[str]) -> list[Damage]:
        """Those of the *missing* streams that were there before. Raises BusError."""
        try:
            before = await self._baseline()
        except AnchorBroken:
            return [_BROKEN]
        known = before.streams if before else {}
        return [Damage(name, "bus_stream_gone", {}) for name in missing if name in known]

    async def audit_head(self) -> ChainHead | None:
        """The end of the audit log when the anchor was written, if there is a usable one."""
        try:
            before = await self._baseline()
        except AnchorBroken:
            return None
        return before.audit if before else None

    async def accept(self) -> None:
        """Take the present state for the right one, here and on all machines.

        Raises AnchorBroken, BusError or OSError.
        """
        signed = await self._write(None, await observe(self.bus))
        await self.bus.bucket(subjects.CONTROL.name).put(_ACCEPTED_KEY, signed)
        await self._write(None, await observe(self.bus))
        self.damages = []
        log.info("bus_state_accepted")

    def forget(self) -> None:
        """Delete the file, before a backup replaces the bus."""
        self.path.unlink(missing_ok=True)

    async def _compare(self) -> tuple[BusState | None, Observation, list[Damage]]:
        """Compare; what counts tell is judged by a bus that can store, at a second look.

        A server counts messages that it could not write until it has read its files again.
        """
        before, now, damages = await self._compare_once()
        if not any(damage.is_by_counts for damage in damages):
            self.unjudged = ""
            return before, now, damages
        trouble = await self.bus_trouble(self.bus)
        if trouble and not self.unjudged:
            log.warning("bus_unjudged", reason=trouble)
        self.unjudged = trouble
        if trouble:
            return before, now, [one for one in damages if not one.is_by_counts]
        return await self._compare_once()

    async def _compare_once(self) -> tuple[BusState | None, Observation, list[Damage]]:
        """Read the anchor before the bus: another process may renew it in between."""
        before, broken = None, list[Damage]()
        try:
            before = await self._baseline()
        except AnchorBroken:
            broken = [_BROKEN]
        if before is None:
            broken = await self._key_damages() or broken
        now = await observe(self.bus)
        if broken:
            return None, now, [*broken, *find_damage(None, now)]
        cut = await self._cut()
        damages = find_damage(before, now, cut)
        damages += await self._inbound.find(before, now) if before else []
        if not damages and before and before.audit:
            damages = await self._audit_damages(before.audit, cut)
        return before, now, damages

    async def _key_damages(self) -> list[Damage]:
        """Whether the key file is no key, or that of other data: no signature is right then."""
        if not self.key_path.exists():
            return []
        try:
            keys = KeyFile.open(self.key_path, create=False)
            is_wrong = await is_refuted(self.bus, keys)
        except NoReply:
            raise
        except (KeyFileBroken, OSError):
            return [Damage(KEY_FILE_FIELD, "key_broken", {"value": self.key_path})]
        except BusError:  # the bucket is gone, which is told as its own damage
            return []
        facts = keys.described()
        return [Damage(KEY_FILE_FIELD, "key_of_other_data", facts)] if is_wrong else []

    async def _audit_damages(self, before: ChainHead, cut: int) -> list[Damage]:
        """Whether the audit log has lost the record with which it ended, or got foreign ones."""
        audit = AuditLog(self.bus, self.clock)
        if before.n > cut and not await audit.has(before):
            return [Damage(subjects.AUDIT.name, "bus_audit_rewritten", {})]
        if unsealed := await audit.first_unsealed(before.n + 1):
            return [Damage(subjects.AUDIT.name, "bus_audit_unsealed", {"value": unsealed})]
        return []

    async def _cut(self) -> int:
        """The last record of the audit log that retention has removed, as this key signed it."""
        try:
            keys = KeyFile.open(self.key_path, create=False)
            cut = await load_cut(self.bus, signing_key(keys))
        except NoReply:
            raise
        except (Invalid, KeyFileBroken, OSError, BusError):  # no usable key, or no such bucket
            return 0
        return cut.n if cut else 0

    async def _baseline(self) -> BusState | None:
        """The file's state, or one that was accepted later; None without a file or a key.

        Raises AnchorBroken, BusError.
        """
        if not (self.key_path.exists() and self.path.exists()):
            return None
        try:
            ours = self._verified(self.path.read_bytes())
        except OSError as error:
            raise AnchorBroken from error
        stored = await self._accepted()
        return stored if stored and stored.at > ours.at else ours

    async def _accepted(self) -> BusState | None:
        """The state that was accepted last on any machine, if its signature is right."""
        try:
            value = await self.bus.bucket(subjects.CONTROL.name).get(_ACCEPTED_KEY)
            return self._verified(value.data) if value else None
        except NoReply:
            raise
        except (AnchorBroken, BusError):  # forged, or the bucket is gone: no state was accepted
            return None

    def _verified(self, signed: bytes) -> BusState:
        """The state in a signed document. Raises AnchorBroken."""
        try:
            envelope = json.loads(signed)
            if not hmac.compare_digest(envelope["mac"], self._mac(envelope["state"])):
                raise AnchorBroken
            return BusState.model_validate(envelope["state"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise AnchorBroken from error

    async def _write(self, before: BusState | None, now: Observation) -> bytes:
        """Raises AnchorBroken without a usable key, BusError, OSError."""
        head = await AuditLog(self.bus, self.clock).head()
        known = BusState(
            at=utc_now(self.clock), streams=with_copies(before, now.streams), audit=head
        )
        state = known.model_dump(mode="json")
        signed = json.dumps({"state": state, "mac": self._mac(state)}).encode()
        await asyncio.to_thread(replace_file, self.path, signed)
        return signed

    def _mac(self, state: Any) -> str:
        """Raises AnchorBroken without a usable key."""
        try:
            key = KeyFile.open(self.key_path, create=False).derive("bus state")
        except (Invalid, KeyFileBroken, OSError) as error:
            raise AnchorBroken from error
        canonical = json.dumps(state, sort_keys=True, separators=(",", ":")).encode()
        return hmac.digest(key, canonical, hashlib.sha256).hex()
