"""One-click unsubscribe (RFC 8058): POST acts at once, GET only shows a button."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.links import LinkRefused, Why
from producers.pages import forms
from producers.pages.look import Look
from producers.pages.office import Leaving


@dataclass
class Leave:
    """The link that stands in every mail. It needs no cookie and never redirects."""

    leaving: Leaving
    look: Look

    def routes(self) -> list[Route]:
        return [
            Route("/huy/{token}", self.show),
            Route("/huy/{token}", self.leave, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Whoever only fetches links, as scanners of mail do, changes nothing."""
        reads = await self.leaving.reads(request.path_params["token"])
        if reads is None:
            raise LinkRefused(Why.FORGED)
        return self.look.say("leaving" if reads else "left_before")

    async def leave(self, request: Request) -> Response:
        """Whatever the body says, and however it says it: the address names whom it is for."""
        await forms.whole(request)
        if not await self.leaving.by_token(request.path_params["token"]):
            raise LinkRefused(Why.FORGED)
        return self.look.say("left_by_link")
