"""Tests of the rooms' common ground."""
