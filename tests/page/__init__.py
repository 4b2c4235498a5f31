"""The pages as people use them, in real Chromium."""
