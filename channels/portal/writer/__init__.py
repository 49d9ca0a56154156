"""Writing the portal's folder: showing, rebuilding, auditing. Builds on all but http."""
