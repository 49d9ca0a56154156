"""Zalo: the Official Account shows an article, then one broadcast points its followers to it.

A publication is two rows here, one per provider call that the public can see: `article`, then
`broadcast`. `connect.open_channel` joins the parts. May import contracts, channels.base and
channels.errors; where tokens and notes are kept is handed in (`vault.Vault`, `notebook.Notebook`).
"""
