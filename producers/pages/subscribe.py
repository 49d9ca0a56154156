"""Subscribing, confirming, and asking for the way to one's own subscription."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from contracts.links import Application
from producers.pages import forms
from producers.pages.limits import Limits, source
from producers.pages.look import Look, errors, texts
from producers.pages.office import Office
from producers.pages.session import Sessions

WRONG = HTTPStatus.UNPROCESSABLE_ENTITY
OPTIONS = "/dang-ky/tuy-chon"
WISHES = {"chu-de": "topics", "don-vi": "units", "doi-tuong": "audiences"}
"""Parameters of the form's address, and the field in which each chooses."""


@dataclass
class Subscribe:
    """What everybody may do."""

    office: Office
    look: Look
    sessions: Sessions
    limits: Limits

    def routes(self) -> list[Route]:
        confirm, enter = "/dang-ky/xac-nhan/{token}", "/dang-ky/quan-ly/{token}"
        return [
            Route("/dang-ky", self.form),
            Route("/dang-ky/", self.without_slash),
            Route("/dang-ky", self.apply, methods=["POST"]),
            Route("/dang-ky/sua", self.mend, methods=["POST"]),
            Route(confirm, self.confirming),
            Route(confirm, self.confirm, methods=["POST"]),
            Route("/dang-ky/quan-ly", self.asking),
            Route("/dang-ky/quan-ly", self.ask, methods=["POST"]),
            Route("/dang-ky/quan-ly/sua", self.mend_asking, methods=["POST"]),
            Route(enter, self.entering),
            Route(enter, self.enter, methods=["POST"]),
        ]

    async def form(self, request: Request) -> Response:
        """Its bare address is the one page that search engines may show.

        Links of the portal have something chosen already; what is not on offer is left out.
        """
        answer = self.subscribing(self.wished(request.query_params), {})
        if not request.query_params:
            answer.headers["X-Robots-Tag"] = "all"
        return answer

    def wished(self, asked: QueryParams) -> Application:
        offered = self.look.choices()
        chosen = {
            field: tuple(id for id, _ in offered[field] if id in asked.getlist(name))
            for name, field in WISHES.items()
        }
        return Application(**chosen)

    async def without_slash(self, _: Request) -> Response:
        return RedirectResponse(f"{self.look.base}/dang-ky", HTTPStatus.PERMANENT_REDIRECT)

    def subscribing(self, asked: Application, wrong: Mapping[str, str]) -> Response:
        status = WRONG if wrong else HTTPStatus.OK
        return self.look.page("subscribe.html", status, asked=asked, wrong=wrong, here="subscribe")

    async def apply(self, request: Request) -> Response:
        asked = forms.application(await forms.read(request), source(request))
        wrong = self.wrong(asked)
        if wrong:
            return self.subscribing(asked, wrong)
        self.limits.check(request)
        await self.office.apply(asked)
        return self.look.say("sent", facts=[asked.email], again=asked)

    async def mend(self, request: Request) -> Response:
        """The form once more, with everything that was written and ticked."""
        return self.subscribing(forms.application(await forms.read(request)), {})

    def wrong(self, asked: Application) -> Mapping[str, str]:
        """What is wrong with a form, by field, in the order of the page."""
        found = errors(self.office.judge(asked))
        if not asked.email:
            found["email"] = texts()["wrong"]["email_missing"]
        if asked.version != texts()["consent"]["version"]:
            found["consent"] = texts()["wrong"]["consent"]
        return found

    async def confirming(self, request: Request) -> Response:
        asked = self.office.pending(request.path_params["token"])
        return self.look.page("confirm.html", asked=asked, names=self.look.names)

    async def confirm(self, request: Request) -> Response:
        await forms.whole(request)
        await self.office.confirm(request.path_params["token"])
        return self.look.say("confirmed")

    async def asking(self, request: Request) -> Response:
        if await self.sessions.reader(request):
            return RedirectResponse(self.look.base + OPTIONS, HTTPStatus.SEE_OTHER)
        return self.manage("", {})

    def manage(self, email: str, wrong: Mapping[str, str]) -> Response:
        status = WRONG if wrong else HTTPStatus.OK
        return self.look.page("manage.html", status, email=email, wrong=wrong, here="manage")

    async def ask(self, request: Request) -> Response:
        email = forms.one(await forms.read(request), "email").strip()
        wrong = errors(self.office.judge(Application(email=email)))
        if not email:
            wrong = {"email": texts()["wrong"]["email_missing"]}
        if wrong:
            return self.manage(email, wrong)
        self.limits.check(request)
        await self.office.ask(email)
        return self.look.say("sent_way", facts=[email], again=Application(email=email))

    async def mend_asking(self, request: Request) -> Response:
        """The address once more, as it was written."""
        return self.manage(forms.one(await forms.read(request), "email").strip(), {})

    async def entering(self, request: Request) -> Response:
        """A button: whoever only fetches links, as scanners of mail do, opens nothing."""
        browser = self.sessions.known(request)
        await self.office.check_way_in(request.path_params["token"], browser)
        answer = self.look.say("entering")
        self.sessions.keep(answer, browser)
        return answer

    async def enter(self, request: Request) -> Response:
        """Let a reader in; the page that follows holds nothing that opens it again."""
        await forms.whole(request)
        if self.sessions.foreign(request):
            return self.look.say("foreign", HTTPStatus.FORBIDDEN)
        browser = self.sessions.known(request)
        session = await self.office.enter(request.path_params["token"], browser)
        answer = RedirectResponse(self.look.base + OPTIONS, HTTPStatus.SEE_OTHER)
        self.sessions.begin(answer, session)
        self.sessions.keep(answer, browser)
        return answer
