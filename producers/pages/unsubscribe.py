"""One-click unsubscribe (RFC 8058): POST acts at once, GET only shows a button."""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.subscriptions.subscriber import RetainedData
from producers.pages import forms
from producers.pages.rendering import Renderer
from producers.pages.services import UnsubscribeService

_TOKEN = re.compile(r"[A-Za-z0-9._-]*")


def _without_neighbours(token: str) -> str:
    """A token without what was copied along with its address, such as `):`."""
    found = _TOKEN.match(token)
    return found[0].rstrip(".") if found else token


@dataclass
class UnsubscribePages:
    """Pages of the unsubscribe link: no cookie, and no redirect after unsubscribing."""

    service: UnsubscribeService
    renderer: Renderer

    def routes(self) -> list[Route]:
        return [
            Route("/huy/{token}", self.show_form),
            Route("/huy/{token}", self.unsubscribe, methods=["POST"]),
            Route("/huy/{token}/xoa", self.show_erasure_form),
            Route("/huy/{token}/xoa", self.erase, methods=["POST"]),
        ]

    async def show_form(self, request: Request) -> Response:
        """A page with a button; a GET, for instance of a mail scanner, changes nothing."""
        token = request.path_params["token"]
        if (clean := _without_neighbours(token)) != token:
            await self.service.subscribed_address(clean)  # refuses one that is none
            return self.renderer.redirect(f"/huy/{clean}")
        address = await self.service.subscribed_address(token)
        retained = await self.service.retained_data(token)
        if address:
            return self.renderer.message_page("leaving", facts=[address], kept=retained)
        return self.unsubscribed_page("left_before", request, retained)

    async def unsubscribe(self, request: Request) -> Response:
        """Unsubscribe; the token alone identifies the subscriber, the body is ignored."""
        await forms.read_body(request)
        token = request.path_params["token"]
        # Read first: nothing may fail between unsubscribing and the answer.
        address = await self.service.subscribed_address(token)
        retained = await self.service.retained_data(token)
        await self.service.unsubscribe_by_token(token)
        return self.unsubscribed_page("left_by_link", request, retained, address)

    def unsubscribed_page(
        self, name: str, request: Request, retained: RetainedData, address: str = ""
    ) -> Response:
        """A page with the data that Loa still keeps, and a link to their erasure."""
        erasure = f"/huy/{request.path_params['token']}/xoa"
        facts = [address] if address else []
        return self.renderer.message_page(name, facts=facts, kept=retained, erasure=erasure)

    async def show_erasure_form(self, request: Request) -> Response:
        """The erasure form for former subscribers; subscribers have to unsubscribe first."""
        token = request.path_params["token"]
        if await self.service.subscribed_address(token):
            return self.redirect_to_form(request)
        retained = await self.service.retained_data(token)
        if retained is RetainedData.NOTHING:
            return self.renderer.message_page("erased_before")
        return self.renderer.message_page("erasing_left", kept=retained)

    async def erase(self, request: Request) -> Response:
        await forms.read_body(request)
        if await self.service.erase_by_token(request.path_params["token"]):
            return self.renderer.message_page("erased_before")
        return self.redirect_to_form(request)

    def redirect_to_form(self, request: Request) -> Response:
        return self.renderer.redirect(f"/huy/{request.path_params['token']}")
