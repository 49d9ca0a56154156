"""Files on disk: atomic writes, the folder's lock, pictures. Imports only contracts and errors."""
