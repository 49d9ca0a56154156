"""Bulletins on the bus: released items, the issues of a series, and the text of a new issue.

May import contracts, channels.markdown_text, producers.bus, consumers.editorial, ledger and seals,
and the records and acts of consumers.intake.
"""
