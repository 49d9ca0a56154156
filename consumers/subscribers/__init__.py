"""Subscribers: sign-up, preferences, unsubscribing, CSV import, and transactional mail.

May import contracts, channels, producers.bus, consumers.ledger, suppression and case_notices.
"""
