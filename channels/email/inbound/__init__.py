"""Inbound mail: SMTP server for bounces and unsubscriptions, bounce parser, autoreply rules.

May import `contracts`, `channels.errors`, `channels.email.header_injection` and
`channels.email.smtp_server`.
"""
