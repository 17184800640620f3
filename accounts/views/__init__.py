"""Pages for people, a module each; `Page` and `AccountPage` are what those of other apps are made of too."""

from accounts.views.account import AccountPage
from accounts.views.page import Page, csrf_failure, malformed, notice

__all__ = ["AccountPage", "Page", "csrf_failure", "malformed", "notice"]
