"""The end of a test's server that loses no connection on the way in."""

import asyncio


async def stop_listening(server: asyncio.Server) -> None:
    """Close *server* once each connection that it has accepted has its transport.

    asyncio accepts in one turn of its loop and makes the transport in the next; when the server is
    closed in between, `Server._attach` fails, and the connection stays open until it is collected.
    """
    loop = asyncio.get_running_loop()
    for sock in server.sockets:
        loop.remove_reader(sock.fileno())
    await asyncio.sleep(0)  # the turn that makes them
    server.close()
