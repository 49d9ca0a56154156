"""From a site's bytes to entries: decoding, limits, dates, plain text, and how alike two texts are.

May import contracts, producers.texts, producers.units.canonical_urls and producers.imports.errors.
"""
