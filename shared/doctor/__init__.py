"""Check everything that the service depends on: `python -m shared.doctor [--json]`."""
