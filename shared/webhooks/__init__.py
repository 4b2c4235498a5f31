"""Webhooks as rows: what is sent, signed with what, when it is tried again, and the log of every try."""
