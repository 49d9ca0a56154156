"""Ways to reach somebody: the portal, e-mail, Zalo. Each speaks one provider's language.

May import: contracts, and a provider's library. Knows neither the bus nor the other rooms; what a
channel has to say leaves it as outcomes (`channels.base`) or as a ChannelError (`channels.errors`).
"""
