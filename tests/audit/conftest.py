"""What is looked for here is about people and keys, so `realm` has its keys."""

from tests.provider import ana, browser, now, realm

__all__ = ["ana", "browser", "now", "realm"]
