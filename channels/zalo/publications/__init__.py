"""Publications on Zalo: an article, then one broadcast that points followers to it.

May import client and quota.
"""
