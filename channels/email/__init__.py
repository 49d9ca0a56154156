"""E-mail channel: one mail per recipient, handed to a relay over SMTP.

May import `contracts` and `channels`; never the bus, and no other channel.
"""
