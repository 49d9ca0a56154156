"""Campaigns at the desk: what an item that joins one has to keep, and the report at the end.

May import contracts, producers.bus and consumers.editorial, facts, seals and periodic_reports.
"""
