"""The e-mail channel: a publication becomes one mail per reader, handed to a relay over SMTP.

May import `contracts` and `channels`; never the bus, and no other channel.
"""
