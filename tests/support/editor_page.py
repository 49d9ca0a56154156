"""A page with the visual editor alone: what it saves is shown again, and kept for the test."""

from starlette.responses import Response
from starlette.routing import Route

from producers.desk.editor.conversion import written_markdown
from producers.desk.editor.routes import TEXT_BYTES
from producers.desk.guard import Guard
from producers.desk.visit import OWN, Desk, DeskRoute, Visit
from tests.support.desk_app import SEAL_KEY, DeskApp

PATH = "/vi-du"
_PAGE = """{% extends "base.html" %}
{% from "forms.html" import form with context %}
{% from "components.html" import button %}
{% from "editor.html" import editor_field %}
{% from "scripts.html" import script with context %}
{% block title %}Ví dụ{% endblock %}
{% block links %}{{ script("editor/main.js") }}{% endblock %}
{% block main %}
<h1>Ví dụ</h1>
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
        guard = Guard(Desk(app_services(desk), desk.url))
        for method, handler in (("GET", self.show), ("POST", self.save)):
            route = DeskRoute(method, PATH, OWN, handler, form_bytes=TEXT_BYTES)
            app.router.routes.append(Route(PATH, guard.endpoint(route), methods=[method]))

    async def show(self, visit: Visit) -> Response:
        pages = visit.desk.services.pages
        template = pages.environment.from_string(_PAGE)
        return Response(
            template.render(visit=visit, wrong={}, text=self.text), media_type="text/html"
        )

    async def save(self, visit: Visit) -> Response:
        self.text = (await written_markdown(visit)).replace("\r\n", "\n")
        return await self.show(visit)


def app_services(desk: DeskApp):
    """The services that the desk's own routes have."""
    assert desk.services.seal_key == SEAL_KEY
    return desk.services
