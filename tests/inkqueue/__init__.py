"""Tests of the client and the command line, against a small service of our own."""
