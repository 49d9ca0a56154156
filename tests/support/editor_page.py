"""A page with the visual editor alone: what it saves is shown again, and kept for the test."""

from starlette.responses import Response
from starlette.routing import Route

from producers.desk.editor.conversion import settle_markdown
from producers.desk.editor.keeping import find_kept, finish, open_elsewhere
from producers.desk.editor.routes import TEXT_BYTES
from producers.desk.guard import Guard
from producers.desk.visit import OWN, DeskParts, DeskRoute, Visit
from tests.support.desk_app import SEAL_KEY, DeskApp

PATH, ITEM = "/vi-du", "vi-du"
_PAGE = """{% extends "base.html" %}
{% from "forms.html" import form with context %}
{% from "components.html" import button %}
{% from "editor.html" import editor_field, kept_text, presence with context %}
{% from "scripts.html" import script with context %}
{% block title %}Ví dụ{% endblock %}
{% block links %}{{ script("editor/main.js") }}{% endblock %}
{% block main %}
<h1>Ví dụ</h1>
{{ kept_text(visit, kept, "vi-du", "/vi-du") }}
{{ presence(visit, "vi-du", others) }}
{% call form("/vi-du") %}
{{ editor_field(visit, wrong, "Nội dung", text) }}
{{ button("Lưu") }}
{% endcall %}
{% endblock %}
"""


class EditorPage:
    """The page, and the text that it last saved."""

    def __init__(self, desk: DeskApp, text: str = "") -> None:
        self.desk, self.text = desk, text
        app = desk.app.app
        guard = Guard(DeskParts(app_services(desk), desk.url))
        for method, handler in (("GET", self.show), ("POST", self.save)):
            route = DeskRoute(method, PATH, OWN, handler, form_bytes=TEXT_BYTES)
            app.router.routes.append(Route(PATH, guard.endpoint(route), methods=[method]))

    async def show(self, visit: Visit) -> Response:
        pages = visit.desk.services.pages
        template = pages.environment.from_string(_PAGE)
        kept = await find_kept(visit, ITEM)
        is_used = "giu-tam" in visit.request.query_params and kept is not None
        shown = {
            "text": kept.fields["body"][-1] if is_used else self.text,
            "kept": None if is_used else kept,
            "others": await open_elsewhere(visit, ITEM),
        }
        page = template.render(visit=visit, wrong={}, **shown)
        return Response(page, media_type="text/html")

    async def save(self, visit: Visit) -> Response:
        await settle_markdown(visit)
        self.text = visit.value("body").replace("\r\n", "\n")
        await finish(visit, ITEM)
        return await self.show(visit)


def app_services(desk: DeskApp):
    """The services that the desk's own routes have."""
    assert desk.services.seal_key == SEAL_KEY
    return desk.services
