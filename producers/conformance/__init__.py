"""The conformance kit: judges a sender that was written elsewhere.

`recordings` reads events and requests, `rules` judges them, `door` answers a sender by a
`scenario`, `live` tries a real Loa, `report` tells the result, `kit` runs it all. May import
contracts and what the client has of producers.
"""
