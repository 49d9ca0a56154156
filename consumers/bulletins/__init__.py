"""Bulletins on the bus: released items, the issues of a series, and the text of a new issue.

May import contracts, channels.markdown_text, producers.bus, consumers.editorial and seals, and
the records of consumers.intake.
"""
