"""Publications on Zalo: an article, then a broadcast of it. May import client and quota."""
