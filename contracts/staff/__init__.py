"""Credentials of staff, shared by the command line and the desk."""
