"""Channels to recipients: the portal, e-mail, Zalo. Each speaks one provider's language.

May import: contracts, and a provider's library. Knows neither the bus nor the other rooms; a
channel reports its results as outcomes (`channels.base`) or as a ChannelError (`channels.errors`).
"""
