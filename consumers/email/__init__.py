"""E-mail around the channel: inbound reports, bounces and their effects, the send policy."""
