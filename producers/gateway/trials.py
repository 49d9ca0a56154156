"""The status of trials, and their faces as files for the holder of the key."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from contracts.base.security_headers import content_policy
from contracts.delivery import ChannelName
from contracts.errors import NotFound, field_error
from contracts.trace import Happening, Status
from contracts.trials.faces import FACES, TrialFaces
from contracts.trials.records import TrialEvent
from producers.gateway import responses
from producers.gateway.access import AccessControl
from producers.trials import TrialAcceptance
from producers.units.registry import TrialUnit

FACE_PATH = "/v1/trials/{event_id}/{face}"
_RETRY_AFTER_S = 1


class TrialRoutes:
    """Handlers for the holder of a key for trials."""

    def __init__(
        self, acceptance: TrialAcceptance, access: AccessControl, faces: TrialFaces | None
    ) -> None:
        self.acceptance = acceptance
        self.access = access
        self.faces = faces

    async def status(self, request: Request, member: TrialUnit) -> Response:
        """The status of a trial. Raises NotFound for any other event."""
        record = await self._require(member, request.path_params["event_id"])
        counts = await self.faces.counts(record) if self.faces else {}
        answer = _status(record, counts)
        return JSONResponse(answer.model_dump(), headers=responses.trial_headers(request))

    async def face(self, request: Request) -> Response:
        """One face of a released trial. Raises Unauthorized, NotFound.

        NotFound says when to ask again where the trial is not worked through yet.
        """
        member = await self.access.authenticate(request)
        self.access.count_query(member)
        event_id, name = request.path_params["event_id"], request.path_params["face"]
        if not isinstance(member, TrialUnit):
            raise _not_found("event_id", event_id)
        record = await self._require(member, event_id)
        if self.faces is None or name not in FACES:
            raise _not_found("face", name)
        _check_released(record)
        face = await self.faces.face(record, name)
        policy = content_policy(style_src=face.style_src, img_src=face.img_src, sandbox="")
        headers = {**policy, "Cache-Control": "no-store", **responses.trial_headers(request)}
        return Response(face.body, headers=headers, media_type=face.media_type)

    async def _require(self, member: TrialUnit, event_id: str) -> TrialEvent:
        record = None
        if responses.is_event_id(event_id):
            record = await self.acceptance.find_record(member.unit, event_id)
        if record is None:
            raise _not_found("event_id", event_id)
        return record


def _not_found(field: str, value: str) -> NotFound:
    return NotFound(field_error(field, "not_found", value=value))


def _check_released(record: TrialEvent) -> None:
    """Raise NotFound for a trial that has no face, or none yet."""
    if record.state == "received":
        early = field_error("face", "trial_not_ready", retry_after_s=_RETRY_AFTER_S)
        raise NotFound(early, retry_after_s=_RETRY_AFTER_S)
    if record.publication is None:
        raise NotFound(field_error("face", "trial_without_face"))


def _unsent(record: TrialEvent) -> list[Happening]:
    """The mails that were never begun, with their number by reason."""
    counts = Counter(record.unsent.values())
    reasons = [field_error("guests", code, count=n) for code, n in counts.items()]
    at = (record.unsent_at or record.at).isoformat()
    facts = {"at": at, "event": "suppressed", "channel": ChannelName.EMAIL}
    return [Happening(**facts, detail=one.message, errors=[one]) for one in reasons]


def _status(record: TrialEvent, counts: Mapping[str, Any]) -> Status:
    is_out = record.publication is not None
    paths = {name: FACE_PATH.format(event_id=record.event_id, face=name) for name in FACES}
    return Status(
        content_id=record.content_id,
        revision=record.revision,
        state=record.state,
        channels={"email": dict(counts)} if counts else {},
        timeline=[*responses.timeline(record), *_unsent(record)],
        trial=True,
        previews=paths if is_out else {},
    )
