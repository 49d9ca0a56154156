"""Every target of a request has a face of Loa that answers it."""

from unittest.mock import AsyncMock

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from channels.portal.http.file_app import portal_app
from consumers.app.web.server import AppRouter


@pytest.mark.parametrize("target", ["*", "//", "http:"])
@pytest.mark.parametrize("portal", [True, False])
async def test_a_target_without_a_path_is_answered(tmp_path, target, portal):
    faces = AppRouter()
    faces.add(PlainTextResponse("the door"), "v1")
    if portal:
        faces.add(portal_app(tmp_path))
    send = AsyncMock()
    scope = {"type": "http", "method": "OPTIONS", "path": target, "raw_path": target.encode()}
    scope |= {"query_string": b"", "root_path": "", "headers": []}
    await faces(scope, AsyncMock(return_value={"type": "http.request", "body": b""}), send)
    assert 400 <= send.call_args_list[0].args[0]["status"] < 500


async def test_a_face_has_every_path_below_its_name(tmp_path):
    faces = AppRouter()
    faces.add(PlainTextResponse("the door"), "v1")
    transport = httpx2.ASGITransport(faces)
    async with httpx2.AsyncClient(transport=transport, base_url="http://loa") as client:
        said = [(await client.get(path)).text for path in ("/v1", "/v1/events", "/v2", "/")]
    assert said == ["the door", "the door", "Not found", "Not found"]
