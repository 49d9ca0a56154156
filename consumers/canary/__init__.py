"""Canaries: small deliveries that nobody reads, sent all day through the real queues and sessions.

They tell that a channel works before the next item does. They never enter the ledger, PUBLICATIONS,
the public feeds or any count.
"""
