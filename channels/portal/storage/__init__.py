"""Files on disk: atomic replacement, the folder's lock, pictures.

Imports only contracts and errors.
"""
