"""Pages of a subscriber's own subscription: preferences, pause, address, data, end."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.base.times import format_date, vietnam_time
from contracts.subscriptions.signup import SUPPRESSION_FIELD
from contracts.subscriptions.subscriber import RetainedData, Subscriber
from contracts.subscriptions.transactional import UnsubscribeResult
from producers.pages import forms
from producers.pages.forms import Form
from producers.pages.mail_limits import MailLimits
from producers.pages.rendering import Renderer, errors_by_field, page_texts
from producers.pages.services import PreferencesService
from producers.pages.sessions import Sessions
from producers.pages.signup import OPTIONS_PATH, UNPROCESSABLE

FormAction = Callable[[Request, Subscriber, Form], Awaitable[Response]]
_NOTICE_PARAMETER = "xong"
_COMPLAINT_REASON = "complaint"
"""Suppression reason of an address whose owner reported spam."""
_UNSUBSCRIBED_MESSAGES = {
    UnsubscribeResult.DONE: "left",
    UnsubscribeResult.IN_PROGRESS: "left",
    UnsubscribeResult.ALREADY_DONE: "left_by_link",
}
_ERASED_MESSAGES = {
    UnsubscribeResult.DONE: "erased",
    UnsubscribeResult.IN_PROGRESS: "erased_soon",
    UnsubscribeResult.ALREADY_DONE: "erased_before",
}


@dataclass
class PreferencesPages:
    """The preference pages. Every action needs a session and a form sealed for the session."""

    service: PreferencesService
    renderer: Renderer
    sessions: Sessions
    limits: MailLimits
    clock: Callable[[], float]

    def routes(self) -> list[Route]:
        acts: dict[str, FormAction] = {
            "": self.save,
            "/tam-dung": self.pause,
            "/nhan-lai": self.resume,
            "/dia-chi": self.request_address_change,
            "/ngung": self.unsubscribe,
            "/xoa": self.erase,
        }
        move = "/dang-ky/doi-dia-chi/{token}"
        return [
            Route(OPTIONS_PATH, self.show_options),
            *(
                Route(OPTIONS_PATH + path, self.guarded_action(act), methods=["POST"])
                for path, act in acts.items()
            ),
            Route(f"{OPTIONS_PATH}/thoat", self.sign_out, methods=["POST"]),
            Route(f"{OPTIONS_PATH}/du-lieu", self.export),
            Route(f"{OPTIONS_PATH}/xoa", self.show_erasure_form),
            Route(move, self.show_address_change),
            Route(move, self.confirm_address_change, methods=["POST"]),
        ]

    def guarded_action(self, action: FormAction) -> Callable[[Request], Awaitable[Response]]:
        """*action*, guarded by session and form seal."""

        async def guarded(request: Request) -> Response:
            form = await forms.read_form(request)
            subscriber = await self.sessions.find_subscriber(request)
            if subscriber is None:
                return self.session_expired_page()
            if not self.sessions.has_valid_seal(request, form):
                return self.renderer.message_page("foreign", HTTPStatus.FORBIDDEN)
            return await action(request, subscriber, form)

        return guarded

    def session_expired_page(self) -> Response:
        """The session has ended; an access link opens a new one."""
        return self.renderer.render(
            "manage.html",
            HTTPStatus.FORBIDDEN,
            email="",
            wrong={},
            over=True,
            here="/dang-ky/quan-ly",
        )

    async def show_options(self, request: Request) -> Response:
        subscriber = await self.sessions.find_subscriber(request)
        if subscriber is None:
            return self.session_expired_page()
        done = page_texts()["done"].get(request.query_params.get(_NOTICE_PARAMETER, ""), "")
        return self.options_page(request, subscriber, done=done)

    def options_page(self, request: Request, subscriber: Subscriber, **shown: Any) -> Response:
        """The options page, with errors and the entered values, if any."""
        values = {
            "asked": subscriber,
            "wrong": {},
            **dict.fromkeys(("done", "new_email", "until"), ""),
            "reader": subscriber,
            "paused": subscriber.is_paused_at(self.now()),
            "kept": RetainedData.of(subscriber),
            "seal": self.sessions.form_seal(request),
            "here": "manage",
        }
        status = UNPROCESSABLE if "wrong" in shown else HTTPStatus.OK
        return self.renderer.render("options.html", status, **values | shown)

    def now(self) -> datetime:
        return vietnam_time(self.clock())

    def redirect_with_notice(self, notice: str) -> Response:
        return self.renderer.redirect(f"{OPTIONS_PATH}?{_NOTICE_PARAMETER}={notice}")

    async def save(self, request: Request, subscriber: Subscriber, form: Form) -> Response:
        application = forms.parse_application(form)
        if errors := errors_by_field(self.service.validate(subscriber, application)):
            return self.options_page(request, subscriber, asked=application, wrong=errors)
        await self.service.save(subscriber, application)
        return self.redirect_with_notice("da-luu")

    async def pause(self, request: Request, subscriber: Subscriber, form: Form) -> Response:
        if forms.single_value(form, "open"):
            await self.service.pause(subscriber, None)
            return self.redirect_with_notice("tam-dung")
        written = forms.single_value(form, "until")
        until = forms.parse_future_day(written, self.now().date())
        if until is None:
            errors = {"until": page_texts()["wrong"]["until"]}
            return self.options_page(request, subscriber, wrong=errors, until=written)
        await self.service.pause(subscriber, until)
        return self.redirect_with_notice("tam-dung")

    async def resume(self, _: Request, subscriber: Subscriber, __: Form) -> Response:
        await self.service.resume(subscriber)
        return self.redirect_with_notice("nhan-lai")

    async def request_address_change(
        self, request: Request, subscriber: Subscriber, form: Form
    ) -> Response:
        address = forms.single_value(form, "email").strip()
        self.limits.check(request)
        if field_errors := await self.service.request_address_change(subscriber, address):
            errors = errors_by_field(
                [error.model_copy(update={"field": f"new_{error.field}"}) for error in field_errors]
            )
            return self.options_page(request, subscriber, wrong=errors, new_email=address)
        return self.renderer.message_page("sent_move", facts=[address])

    async def show_address_change(self, request: Request) -> Response:
        change = self.service.read_address_change(request.path_params["token"])
        return self.renderer.message_page("moving", facts=[change.new])

    async def confirm_address_change(self, request: Request) -> Response:
        await forms.read_body(request)
        await self.service.confirm_address_change(request.path_params["token"])
        return self.renderer.message_page("moved")

    async def export(self, request: Request) -> Response:
        """Download all stored data of the subscriber."""
        subscriber = await self.sessions.find_subscriber(request)
        if subscriber is None:
            return self.session_expired_page()
        data = await self.service.export(subscriber)
        consents = _consent_texts(subscriber)
        texts = {
            "consent_text": consents.get(subscriber.consent.version, "")
            if subscriber.consent
            else "",
            "consent_texts": consents,
            "left_alone_text": _suppression(data),
        }
        return Response(
            json.dumps({**data, **texts}, ensure_ascii=False, indent=2),
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="dang-ky-nhan-tin.json"'},
        )

    async def unsubscribe(self, _: Request, subscriber: Subscriber, __: Form) -> Response:
        message = _UNSUBSCRIBED_MESSAGES[await self.service.unsubscribe(subscriber)]
        return self.closing_page(
            message, facts=[subscriber.email], kept=RetainedData.of(subscriber)
        )

    async def show_erasure_form(self, request: Request) -> Response:
        subscriber = await self.sessions.find_subscriber(request)
        if subscriber is None:
            return self.session_expired_page()
        seal = self.sessions.form_seal(request)
        return self.renderer.message_page("erasing", facts=[subscriber.email], seal=seal)

    async def erase(self, _: Request, subscriber: Subscriber, __: Form) -> Response:
        return self.closing_page(_ERASED_MESSAGES[await self.service.erase(subscriber)])

    async def sign_out(self, request: Request) -> Response:
        await forms.read_body(request)
        await self.service.sign_out(self.sessions.session_token(request))
        return self.closing_page("out")

    def closing_page(self, name: str, **shown: Any) -> Response:
        answer = self.renderer.message_page(name, **shown)
        self.sessions.end(answer)
        return answer


def _consent_texts(subscriber: Subscriber) -> dict[str, str]:
    """Each consent text that the subscriber agreed to, by version."""
    given = {event.version for event in subscriber.consent_events()}
    known: Mapping[str, str] = page_texts()["consent"]["texts"]
    return {version: text for version, text in known.items() if version in given}


def _suppression(data: Mapping[str, Any]) -> str:
    """The suppression of the subscriber's address as a sentence: reason and end."""
    entry = data[SUPPRESSION_FIELD]
    if not entry:
        return ""
    texts = page_texts()[SUPPRESSION_FIELD]
    until = entry["until"] and datetime.fromisoformat(entry["until"])
    end = texts["until"].format(day=format_date(until)) if until else texts["for_good"]
    return f"{texts['complaint' if entry['reason'] == _COMPLAINT_REASON else 'bounced']} {end}"
