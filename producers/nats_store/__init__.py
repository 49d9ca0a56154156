"""What the embedded nats-server keeps on the disk, looked at while it is stopped."""
