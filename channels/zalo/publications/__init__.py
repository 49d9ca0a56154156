"""Publications on Zalo: an article, then one broadcast that points followers to it.

Builds on client and quota.
"""
