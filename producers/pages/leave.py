"""One-click unsubscribe (RFC 8058): POST acts at once, GET only shows a button."""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from contracts.links import LinkRefused, Why
from contracts.subscriber import Kept
from producers.pages import forms
from producers.pages.look import Look, texts
from producers.pages.office import Leaving


@dataclass
class Leave:
    """The link that stands in every mail. It needs no cookie, and leaving by it never redirects."""

    leaving: Leaving
    look: Look

    def routes(self) -> list[Route]:
        return [
            Route("/huy/{token}", self.show),
            Route("/huy/{token}", self.leave, methods=["POST"]),
            Route("/huy/{token}/xoa", self.erasing),
            Route("/huy/{token}/xoa", self.erase, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Whoever only fetches links, as scanners of mail do, changes nothing."""
        reads = await self.leaving.reads(request.path_params["token"])
        if reads is None:
            raise LinkRefused(Why.FORGED)
        return self.look.say("leaving") if reads else self.left("left_before", request)

    async def leave(self, request: Request) -> Response:
        """Whatever the body says, and however it says it: the address names whom it is for."""
        await forms.whole(request)
        token = request.path_params["token"]
        kept = await self.leaving.kept(token)  # before: between leaving and answer nothing may fail
        if not kept or not await self.leaving.by_token(token):
            raise LinkRefused(Why.FORGED)
        return self.left("left_by_link", request, kept)

    def left(self, name: str, request: Request, kept: Kept | None = None) -> Response:
        """With the way to delete what is kept of somebody who has left."""
        path = f"/huy/{request.path_params['token']}/xoa"
        more = [{"text": texts()["erase_left"], "path": path}]
        return self.look.say(name, more=more, kept=kept)

    async def erasing(self, request: Request) -> Response:
        """A button, for whoever has left; who reads has to leave before."""
        token = request.path_params["token"]
        if await self.leaving.reads(token):
            return self.leave_first(request)
        kept = await self.leaving.kept(token)
        if kept is None:
            raise LinkRefused(Why.FORGED)
        if kept is Kept.NOTHING:
            return self.look.say("erased_before")
        return self.look.say("erasing_left", kept=kept)

    async def erase(self, request: Request) -> Response:
        await forms.whole(request)
        done = await self.leaving.erase_by_token(request.path_params["token"])
        if done is None:
            raise LinkRefused(Why.FORGED)
        return self.look.say("erased_before") if done else self.leave_first(request)

    def leave_first(self, request: Request) -> Response:
        path = f"{self.look.base}/huy/{request.path_params['token']}"
        return RedirectResponse(path, HTTPStatus.SEE_OTHER)
