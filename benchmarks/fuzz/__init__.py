"""Broken input for everything that reads what strangers send: `python -m benchmarks.fuzz`, or `make fuzz`."""
