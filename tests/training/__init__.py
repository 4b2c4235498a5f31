"""Tests of the workers and the steward."""
