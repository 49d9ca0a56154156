"""The sandbox on an IPv6 address: what it calls itself can be called."""

import aiohttp

from sandbox.zalo import server


async def test_its_address_has_brackets_and_answers(tmp_path):
    sandbox = await server.start("::1", 0, tmp_path)
    try:
        assert sandbox.url.startswith("http://[::1]:")
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{sandbox.url}/_sandbox/state") as one,
        ):
            assert one.status == 200
    finally:
        await sandbox.close()
