"""Items, listings and addresses of the portal, without I/O. Imports only contracts."""
