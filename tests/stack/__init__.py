"""The embedded stack as a whole."""
