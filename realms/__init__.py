"""Realms: one issuer each, with its own keys, clients and policy. Knows nobody below it."""
