"""Writing the portal's folder: showing a publication, rebuilding, auditing.

Builds on all but http.
"""
