"""Bring a network of one's own: look at it, describe it, check it, and put it where the service finds it."""
