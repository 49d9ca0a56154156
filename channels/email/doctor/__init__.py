"""Checks of DNS records, the relay and header fields, on which the trust in our mail depends.

Asks the DNS and the relay; knows no bus. Findings are codes with values; `texts.toml` has their
texts.
"""
