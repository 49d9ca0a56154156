"""The desk listens on a port of its own, and its address is one at which sessions are safe."""

import socket

import httpx2
import pytest

from consumers.app import process
from consumers.app.settings import DeskSettings, LoaSettings, read_settings
from consumers.app.wiring import desk
from consumers.staff.oidc.settings import OidcSettings
from contracts.errors import Invalid
from producers.desk.rendering import desk_texts
from producers.desk.routes import ROUTES

DESK_NAME = desk_texts()["site"]["name"]


@pytest.mark.promise("15.1")
async def test_no_page_of_the_desk_is_on_the_public_port(node):
    await process.add_services(node, None)
    public = httpx2.ASGITransport(node.web_apps, raise_app_exceptions=False)
    async with (
        httpx2.AsyncClient(base_url=node.addresses["desk"]) as staff,
        httpx2.AsyncClient(transport=public, base_url="http://127.0.0.1:1") as faces,
    ):
        assert DESK_NAME in (await staff.get("/dang-nhap")).text
        for route in ROUTES:
            answer = await faces.request(route.method, route.path)
            assert DESK_NAME not in answer.text and "set-cookie" not in answer.headers, route
            assert answer.status_code in (404, 405, 503), route
        for path in ("/", "/livez", "/v1/events", "/dang-ky"):
            assert (await staff.get(path)).status_code in (303, 404), path


async def test_a_desk_with_https_holds_its_whole_host_name_to_it(node):
    await node.open_proven_key()
    url = "https://ban-duyet.example.gov.vn"
    app = httpx2.ASGITransport(desk._web_server(node, url).config.app)
    async with httpx2.AsyncClient(transport=app, base_url=url) as browser:
        for path in ("/dang-nhap", "/khong-co"):
            sent = (await browser.get(path)).headers["strict-transport-security"]
            assert sent == "max-age=31536000; includeSubDomains"


async def test_where_the_usual_port_is_taken_the_desk_has_another_one_and_loa_starts(
    node, monkeypatch
):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        node.settings = node.settings.model_copy(update={"http_port": taken - 20})
        await desk.add_desk(node)
        assert node.addresses["desk"] != f"http://127.0.0.1:{taken}"
        async with httpx2.AsyncClient(base_url=node.addresses["desk"]) as browser:
            assert DESK_NAME in (await browser.get("/dang-nhap")).text
        monkeypatch.setenv("LOA_DESK_HTTP_PORT", str(taken))
        with pytest.raises(Invalid, match="LOA_DESK_HTTP_PORT"):
            await desk.add_desk(node)


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({"URL": "http://desk.moha.example"}, "LOA_DESK_URL"),
        ({"URL": "https://desk.moha.example/duong-dan"}, "LOA_DESK_URL"),
        ({"URL": "desk.moha.example"}, "LOA_DESK_URL"),
        ({"HTTP_HOST": "0.0.0.0"}, "LOA_DESK_URL"),
        ({"URL": "https://tin.moha.example"}, "LOA_DESK_URL"),
        ({"HTTP_PORT": "70000"}, "LOA_DESK_HTTP_PORT"),
    ],
)
def test_an_address_that_endangers_sessions_is_refused(variables, wrong, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(f"LOA_DESK_{name}", value)
    with pytest.raises(Invalid) as refused:
        read_settings(DeskSettings).check("https://tin.moha.example")
    assert refused.value.errors[0].field == wrong


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8100", "http://localhost:8100/"])
def test_this_machine_needs_no_https(url, monkeypatch):
    monkeypatch.setenv("LOA_DESK_URL", url)
    read_settings(DeskSettings).check("http://127.0.0.1:8080")


async def test_a_process_knows_whose_secrets_only_its_start_reads(node, monkeypatch):
    node.settings = node.settings.model_copy(update={"nats_url": "nats://127.0.0.1:1"})
    for name, value in {"ISSUER": "https://id.example", "CLIENT_ID": "loa"}.items():
        monkeypatch.setenv(f"LOA_OIDC_{name}", value)
    monkeypatch.setenv("LOA_OIDC_CLIENT_SECRET", "s")
    await desk.add_desk(node)
    assert {*node.secrets.read_once} == {LoaSettings, OidcSettings}
