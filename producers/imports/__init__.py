"""The import: a unit without developers has its site's feed read, on the clock.

`urls`, `dates`, `plain`, `document` and `entry` read what a feed says; `known` is what the log says
already; `plan` decides what follows from both, without I/O; `compose` words it as events. `manners`
says when to come again, `state` remembers it, `round` makes one visit, `service` is the clock.

The request itself is handed in (`round.Ask`). May import what producers may, and feedparser.
"""
