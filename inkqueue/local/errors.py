"""What can go wrong before the stack runs, in words for the person at the terminal."""

from __future__ import annotations


class LocalStackError(Exception):
    """The stack cannot start; the text says why and what to do."""
