"""The import: a unit without developers has its site's feed read, on the clock.

`document` reads what a site sends (`shape`, `article`, `urls`, `dates`, `plain`, `entry`), `known`
what the log says already; `plan` decides what follows from both, without I/O, in the words of
`draft`; `likeness` judges whether two texts are one. `compose` words drafts as events, `sender`
puts them through the door, `after` and `manners` say what is remembered and when to come again
(`state`).
`round` is one visit, `service` the clock, `net` catches what nobody foresaw; `trial` and
`discovery` are for looking.

The request itself is handed in (`site.Ask`). May import what producers may, and feedparser.
"""
