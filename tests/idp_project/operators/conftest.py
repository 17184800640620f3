"""What is tested here reads the clock somewhere, so `now` is this moment, and `realm` has its keys."""

from tests.provider import ana, browser, now, realm

__all__ = ["ana", "browser", "now", "realm"]
