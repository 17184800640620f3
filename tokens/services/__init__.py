"""Deciding on requests, making tokens, and ending what was granted."""
