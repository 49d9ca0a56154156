"""Sign-up pages: subscribe, confirm, and request an access link."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.subscriptions.signup import SignupApplication
from producers.pages import forms
from producers.pages.forms import Form
from producers.pages.mail_limits import MailLimits, client_address
from producers.pages.rendering import Renderer, errors_by_field, page_texts
from producers.pages.services import SignupService
from producers.pages.sessions import Sessions

UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY
OPTIONS_PATH = "/dang-ky/tuy-chon"
_PRESELECTION_PARAMETERS = {"chu-de": "topics", "don-vi": "units", "doi-tuong": "audiences"}
"""Query parameters of the form's address, and the fields that they preselect."""

_REVIEWED_FIELDS = ("email", "name", "frequency", "topics", "units", "audiences")


@dataclass
class SignupPages:
    """Pages for anonymous visitors."""

    service: SignupService
    renderer: Renderer
    sessions: Sessions
    limits: MailLimits

    def routes(self) -> list[Route]:
        confirm, enter = "/dang-ky/xac-nhan/{token}", "/dang-ky/quan-ly/{token}"
        return [
            Route("/dang-ky", self.show_form),
            Route("/dang-ky/", self.redirect_without_slash),
            Route("/dang-ky", self.sign_up, methods=["POST"]),
            Route("/dang-ky/sua", self.edit_again, methods=["POST"]),
            Route(confirm, self.show_confirmation),
            Route(confirm, self.confirm, methods=["POST"]),
            Route("/dang-ky/quan-ly", self.show_access_form),
            Route("/dang-ky/quan-ly", self.request_access, methods=["POST"]),
            Route("/dang-ky/quan-ly/sua", self.edit_access_request, methods=["POST"]),
            Route(enter, self.show_access_button),
            Route(enter, self.open_session, methods=["POST"]),
        ]

    async def show_form(self, request: Request) -> Response:
        """The sign-up form; without parameters it is the only page open to search engines.

        Links of the portal preselect choices; unknown ones are ignored.
        """
        answer = self.signup_page(self.preselected(request.query_params), {})
        if not request.query_params:
            answer.headers["X-Robots-Tag"] = "all"
        return answer

    def preselected(self, parameters: QueryParams) -> SignupApplication:
        offered = self.renderer.choices()
        chosen = {
            field: tuple(id for id, _ in offered[field] if id in parameters.getlist(name))
            for name, field in _PRESELECTION_PARAMETERS.items()
        }
        return SignupApplication(**chosen)

    async def redirect_without_slash(self, _: Request) -> Response:
        return self.renderer.redirect("/dang-ky", HTTPStatus.PERMANENT_REDIRECT)

    def signup_page(self, application: SignupApplication, errors: Mapping[str, str]) -> Response:
        status = UNPROCESSABLE if errors else HTTPStatus.OK
        return self.renderer.render(
            "subscribe.html",
            status,
            asked=application,
            wrong=errors,
            here="/dang-ky",
        )

    async def sign_up(self, request: Request) -> Response:
        form = await forms.read_form(request)
        application = forms.parse_application(form, client_address(request))
        if errors := self.find_errors(application):
            self.limits.count_refused(request)
            return self.signup_page(application, errors)
        self.limits.check(request)
        await self.service.sign_up(application)
        return self.sent_page("sent", form, application)

    def sent_page(self, name: str, form: Form, application: SignupApplication) -> Response:
        """The page "check your mailbox"; a repeat is acknowledged, whether a mail goes or not."""
        done = page_texts()["done"]["gui-lai"] if forms.single_value(form, "again") else ""
        facts = [application.email]
        return self.renderer.message_page(name, facts=facts, again=application, done=done)

    async def edit_again(self, request: Request) -> Response:
        """The form again, with all entered values."""
        return self.signup_page(forms.parse_application(await forms.read_form(request)), {})

    def find_errors(self, application: SignupApplication) -> Mapping[str, str]:
        """Errors of a form by field, in the order of the page."""
        errors = errors_by_field(self.service.validate(application))
        if not application.email:
            errors["email"] = page_texts()["wrong"]["email_missing"]
        if application.version != page_texts()["consent"]["version"]:
            errors["consent"] = page_texts()["wrong"]["consent"]
        return errors

    async def show_confirmation(self, request: Request) -> Response:
        asked = self.service.read_confirmation(request.path_params["token"])
        return self.renderer.render("confirm.html", version=asked.version, rows=self.review(asked))

    async def confirm(self, request: Request) -> Response:
        await forms.read_body(request)
        token = request.path_params["token"]
        asked = self.service.read_confirmation(token)
        await self.service.confirm(token)
        return self.renderer.message_page("confirmed", rows=self.review(asked))

    def review(self, asked: SignupApplication) -> list[tuple[str, str]]:
        """Label and value of what a reader has asked for."""
        names, texts = page_texts()["field"], page_texts()
        chosen = {
            "email": asked.email,
            "name": asked.name,
            "frequency": texts["frequency"].get(asked.frequency, ""),
            **{
                field: "; ".join(self.renderer.choice_names(field, getattr(asked, field))) or every
                for field, every in texts["every"].items()
            },
        }
        return [(names[field], chosen[field]) for field in _REVIEWED_FIELDS if chosen[field]]

    async def show_access_form(self, request: Request) -> Response:
        if await self.sessions.find_subscriber(request):
            return self.renderer.redirect(OPTIONS_PATH)
        return self.access_page("", {})

    def access_page(self, email: str, errors: Mapping[str, str]) -> Response:
        status = UNPROCESSABLE if errors else HTTPStatus.OK
        return self.renderer.render(
            "manage.html",
            status,
            email=email,
            wrong=errors,
            here="/dang-ky/quan-ly",
        )

    async def request_access(self, request: Request) -> Response:
        form = await forms.read_form(request)
        email = forms.single_value(form, "email").strip()
        errors = errors_by_field(self.service.validate(SignupApplication(email=email)))
        if not email:
            errors = {"email": page_texts()["wrong"]["email_missing"]}
        if errors:
            self.limits.count_refused(request)
            return self.access_page(email, errors)
        self.limits.check(request)
        await self.service.send_access_link(email)
        return self.sent_page("sent_way", form, SignupApplication(email=email))

    async def edit_access_request(self, request: Request) -> Response:
        """The access form again, with the entered address."""
        form = await forms.read_form(request)
        return self.access_page(forms.single_value(form, "email").strip(), {})

    async def show_access_button(self, request: Request) -> Response:
        """The page behind an access link: a button, so that mail scanners open no session."""
        browser = self.sessions.browser_id(request)
        await self.service.check_access_link(request.path_params["token"], browser)
        answer = self.renderer.message_page("entering")
        self.sessions.remember_browser(answer, browser)
        return answer

    async def open_session(self, request: Request) -> Response:
        """Open a session and redirect to a page whose address reveals no token."""
        await forms.read_body(request)
        if self.sessions.is_cross_site(request):
            return self.renderer.message_page("foreign", HTTPStatus.FORBIDDEN)
        browser = self.sessions.browser_id(request)
        session = await self.service.open_session(request.path_params["token"], browser)
        answer = self.renderer.redirect(OPTIONS_PATH)
        self.sessions.start(answer, session)
        self.sessions.remember_browser(answer, browser)
        return answer
