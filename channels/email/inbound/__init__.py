"""Inbound mail: SMTP server for bounces and unsubscriptions, bounce parser, autoreply rules.

May import `contracts`, `channels.errors` and `channels.email.header_injection`.
"""
