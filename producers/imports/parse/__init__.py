"""Parsing of feeds: decoding, limits, dates, plain text, similarity of texts.

May import contracts, producers.texts, producers.units.canonical_urls and
producers.imports.errors and isolate_errors.
"""
