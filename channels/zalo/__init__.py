"""Zalo: the Official Account shows an article, then one broadcast points its followers to it.

A publication is two rows here, one per provider call that the public can see: `article`, then
`broadcast`. `factory.ChannelParts` joins the parts. May import contracts, channels.base,
channels.errors and channels.fetch. The stores are handed in: `client.store.KeyValueStore` for
tokens and counters, `publications.record.ArticleStore` for articles.
"""
