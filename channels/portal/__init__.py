"""The portal channel: pages and feeds as plain files that any web server can serve.

May import: contracts, the other modules of this package, channels.base and channels.errors.
"""
