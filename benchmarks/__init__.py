"""Measurements of what the project claims; see README.md."""
