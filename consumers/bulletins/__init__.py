"""Bulletins on the bus: released items, the issues of a series, and the text of a new issue.

May import contracts, channels.markdown_text, producers.bus, and consumers.editorial and seals.
"""
