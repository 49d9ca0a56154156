"""A reader's own subscription: wishes, pause, address, data, and the end of it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from contracts.errors import FieldError
from contracts.letter import Parted
from contracts.links import LEFT_ALONE
from contracts.subscriber import Kept, Subscriber
from contracts.vietnam import VIETNAM
from producers.pages import forms
from producers.pages.forms import Form
from producers.pages.limits import Limits
from producers.pages.look import Look, errors, texts
from producers.pages.office import Own
from producers.pages.session import Sessions
from producers.pages.subscribe import OPTIONS, WRONG

Act = Callable[[Request, Subscriber, Form], Awaitable[Response]]
DONE = "xong"
COMPLAINT = "complaint"
"""The reason that stands against an address whose reader called mail spam."""
LEFT = {Parted.DONE: "left", Parted.SOON: "left", Parted.BEFORE: "left_by_link"}
ERASED = {Parted.DONE: "erased", Parted.SOON: "erased_soon", Parted.BEFORE: "erased_before"}


@dataclass
class OwnPages:
    """Every act needs a session, and a form that was shown to it."""

    own: Own
    look: Look
    sessions: Sessions
    limits: Limits
    clock: Callable[[], float]

    def routes(self) -> list[Route]:
        acts: dict[str, Act] = {
            "": self.save,
            "/tam-dung": self.pause,
            "/nhan-lai": self.resume,
            "/dia-chi": self.ask_to_move,
            "/ngung": self.leave,
            "/xoa": self.erase,
        }
        move = "/dang-ky/doi-dia-chi/{token}"
        return [
            Route(OPTIONS, self.options),
            *(Route(OPTIONS + path, self.act(act), methods=["POST"]) for path, act in acts.items()),
            Route(f"{OPTIONS}/thoat", self.exit, methods=["POST"]),
            Route(f"{OPTIONS}/du-lieu", self.export),
            Route(f"{OPTIONS}/xoa", self.erasing),
            Route(move, self.moving),
            Route(move, self.move, methods=["POST"]),
        ]

    def act(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        """*act*, for a reader who is in and whose form is ours."""

        async def guarded(request: Request) -> Response:
            form = await forms.read(request)
            reader = await self.sessions.reader(request)
            if reader is None:
                return self.outside()
            if not self.sessions.sealed(request, form):
                return self.look.say("foreign", HTTPStatus.FORBIDDEN)
            return await act(request, reader, form)

        return guarded

    def outside(self) -> Response:
        """The session is over: a new letter opens another."""
        return self.look.page(
            "manage.html", HTTPStatus.FORBIDDEN, email="", wrong={}, over=True, here="manage"
        )

    async def options(self, request: Request) -> Response:
        reader = await self.sessions.reader(request)
        if reader is None:
            return self.outside()
        done = texts()["done"].get(request.query_params.get(DONE, ""), "")
        return self.shown(request, reader, done=done)

    def shown(self, request: Request, reader: Subscriber, **said: Any) -> Response:
        """The page, perhaps with what is wrong, as it was written."""
        wrong: Mapping[str, str] = said.get("wrong", {})
        values = {
            "reader": reader,
            "asked": said.get("asked", reader),
            "paused": reader.paused_at(self.now()),
            "done": said.get("done", ""),
            "wrong": wrong,
            "new_email": said.get("new_email", ""),
            "until": said.get("until", ""),
            "seal": self.sessions.seal(request),
            "here": "manage",
        }
        return self.look.page("options.html", WRONG if wrong else HTTPStatus.OK, **values)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), VIETNAM)

    def back(self, done: str) -> Response:
        return RedirectResponse(f"{self.look.base}{OPTIONS}?{DONE}={done}", HTTPStatus.SEE_OTHER)

    async def save(self, request: Request, reader: Subscriber, form: Form) -> Response:
        asked = forms.application(form)
        if wrong := errors(self.own.judge(reader, asked)):
            return self.shown(request, reader, asked=asked, wrong=wrong)
        await self.own.save(reader, asked)
        return self.back("da-luu")

    async def pause(self, request: Request, reader: Subscriber, form: Form) -> Response:
        if forms.one(form, "open"):
            await self.own.pause(reader, None)
            return self.back("tam-dung")
        written = forms.one(form, "until")
        until = forms.day(written, self.now().date())
        if until is None:
            wrong = {"until": texts()["wrong"]["until"]}
            return self.shown(request, reader, wrong=wrong, until=written)
        await self.own.pause(reader, until)
        return self.back("tam-dung")

    async def resume(self, _: Request, reader: Subscriber, __: Form) -> Response:
        await self.own.resume(reader)
        return self.back("nhan-lai")

    async def ask_to_move(self, request: Request, reader: Subscriber, form: Form) -> Response:
        address = forms.one(form, "email").strip()
        self.limits.check(request)
        if faults := await self.own.ask_to_move(reader, address):
            wrong = errors([renamed(one, f"new_{one.field}") for one in faults])
            return self.shown(request, reader, wrong=wrong, new_email=address)
        return self.look.say("sent_move", facts=[address])

    async def moving(self, request: Request) -> Response:
        change = self.own.moving(request.path_params["token"])
        return self.look.say("moving", facts=[change.new])

    async def move(self, request: Request) -> Response:
        await forms.whole(request)
        await self.own.move(request.path_params["token"])
        return self.look.say("moved")

    async def export(self, request: Request) -> Response:
        """All that is kept of a reader, as a file."""
        reader = await self.sessions.reader(request)
        if reader is None:
            return self.outside()
        kept = await self.own.export(reader)
        body = {**kept, "consent_text": self.agreed(reader), "left_alone_text": left_alone(kept)}
        return Response(
            json.dumps(body, ensure_ascii=False, indent=2),
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="dang-ky-nhan-tin.json"'},
        )

    def agreed(self, reader: Subscriber) -> str:
        """The text that a reader agreed to."""
        version = reader.consent.version if reader.consent else ""
        return str(texts()["consent"]["texts"].get(version, ""))

    async def leave(self, _: Request, reader: Subscriber, __: Form) -> Response:
        return self.gone(LEFT[await self.own.leave(reader)], Kept.of(reader))

    async def erasing(self, request: Request) -> Response:
        if not await self.sessions.reader(request):
            return self.outside()
        return self.look.say("erasing", seal=self.sessions.seal(request))

    async def erase(self, _: Request, reader: Subscriber, __: Form) -> Response:
        return self.gone(ERASED[await self.own.erase(reader)])

    async def exit(self, request: Request) -> Response:
        await forms.whole(request)
        await self.own.out(self.sessions.token(request))
        return self.gone("out")

    def gone(self, name: str, kept: Kept | None = None) -> Response:
        answer = self.look.say(name, kept=kept)
        self.sessions.end(answer)
        return answer


def left_alone(kept: Mapping[str, Any]) -> str:
    """Why no mail is sent to a reader's address, and until when, as a citizen reads it."""
    stands = kept[LEFT_ALONE]
    if not stands:
        return ""
    said = texts()[LEFT_ALONE]
    until = stands["until"] and datetime.fromisoformat(stands["until"]).astimezone(VIETNAM)
    end = said["until"].format(day=f"{until:%d/%m/%Y}") if until else said["for_good"]
    return f"{said['complaint' if stands['reason'] == COMPLAINT else 'bounced']} {end}"


def renamed(fault: FieldError, field: str) -> FieldError:
    """The same fault of another field of the page."""
    return fault.model_copy(update={"field": field})
