"""Which rule of which specification is held by which test; `python -m tests.conformance` writes the table.

The rules stand in the TOML files beside this one, a file a specification, in our own words. A test names the
rules that it holds in its mark: `@pytest.mark.spec("RFC 6749 §4.1.2 code-once")`.
"""
