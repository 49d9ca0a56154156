"""The portal channel: pages and feeds as plain files that any web server can serve.

May import: contracts, channels.base and channels.errors. Below it:
model <- index <- search <- render <- writer and http; storage serves search and writer."""
