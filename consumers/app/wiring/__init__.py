"""Build each channel and service from the settings of one process."""
