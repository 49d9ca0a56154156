"""Bulletins on the bus: what was released, the issues of a series, and the text of a new one.

May import contracts, channels.markdown_text, producers.bus, and consumers.editorial and seals.
"""
