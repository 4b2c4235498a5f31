"""Tests of webhooks: rows, signatures, sender, routes, client."""
