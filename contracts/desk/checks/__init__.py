"""What the checks beside a text ask of services: shapes and protocols."""
