"""A local stand-in for Zalo's servers: the calls Loa makes, with Zalo's manners and faults.

For development, tests and installations without an Official Account. Loa itself can't tell it from
the real thing. Start it with `server.start`; `/` shows what a follower would see.
"""
