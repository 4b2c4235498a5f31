"""Tests of images, compose file and health checks."""
