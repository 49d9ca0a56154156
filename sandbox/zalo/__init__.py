"""A local stand-in for Zalo's servers: the calls that Loa makes, with Zalo's checks and faults.

For development, tests and installations without an Official Account. Start it with `server.start`;
`/` shows the view of a follower.
"""
