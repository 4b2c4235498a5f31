"""Broken input for everything that reads what strangers send."""
