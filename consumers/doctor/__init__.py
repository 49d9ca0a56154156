"""Examination of what surrounds Loa: disk, clock, proxies, names, portal, bus, mail, Zalo.

Nothing is started and nothing is changed. Texts and levels: `doctor.toml`. May import `channels`,
`producers.bus` and the facts of `consumers.status`; settings are read by the command.
"""
