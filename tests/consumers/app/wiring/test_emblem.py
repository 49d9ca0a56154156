"""Every face of the ministry shows the operator's emblem and says whose it is."""

import re

import httpx2

from consumers.app import process

EMBLEM = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><circle r="1"/></svg>'
_EMBLEM = re.compile(r'<img src="([^"]*emblem-[^"]*)"')
PUBLIC = "http://127.0.0.1:1"


async def emblem_of(client, path):
    """Emblem of the ministry on the page at *path*."""
    page = await client.get(path)
    assert "Bộ Nội vụ" in page.text, path
    emblem = await client.get(str(page.url.join(_EMBLEM.findall(page.text)[0])))
    assert emblem.headers["content-type"] == "image/svg+xml", path
    return emblem.content


async def test_every_face_shows_the_emblem_of_the_operator(node, monkeypatch, tmp_path):
    (tmp_path / "quoc-huy.svg").write_bytes(EMBLEM)
    monkeypatch.setenv("LOA_SITE_EMBLEM_FILE", str(tmp_path / "quoc-huy.svg"))
    await process.add_services(node, None)
    public = httpx2.ASGITransport(node.web_apps, raise_app_exceptions=False)
    async with (
        httpx2.AsyncClient(base_url=node.addresses["desk"]) as staff,
        httpx2.AsyncClient(transport=public, base_url=PUBLIC) as faces,
    ):
        assert [await emblem_of(faces, path) for path in ("/dang-ky", "/docs")] == [EMBLEM] * 2
        for path in ("/dang-nhap", "/khong-co"):
            assert await emblem_of(staff, path) == EMBLEM, path
