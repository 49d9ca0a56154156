"""Case notices on Zalo: one template message to one person. Builds on client and quota."""
