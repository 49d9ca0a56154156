"""Webhook events of the sandbox: built, signed and sent to the app."""
