"""The store of the embedded nats-server on the disk, looked at while it is stopped."""
