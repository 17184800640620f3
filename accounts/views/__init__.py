"""Pages for people, a module each; `Page` is what those of other apps are made of too."""

from accounts.views.page import Page, csrf_failure, notice

__all__ = ["Page", "csrf_failure", "notice"]
