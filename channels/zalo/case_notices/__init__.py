"""Case notices on Zalo: one template message to one person. May import client and quota."""
