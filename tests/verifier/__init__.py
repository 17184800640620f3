"""Tests of the package that a service installs. None of them needs the database."""
