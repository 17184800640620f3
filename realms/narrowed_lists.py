"""Lists of the admin that an address narrows by what the page offers, and by nothing else.

Django takes a look-up of any column there. One that begins with a letter, then with two, would tell whoever may look
at the list what stands in a column that no page shows: a salt, a digest, a sealed secret.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

_ENDINGS = ("", "__exact", "__id__exact", "__isnull", "__isempty")  # what Django's own filters make of a column


class NarrowedLists(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Rows whose list is narrowed by its filters, and by what a row belongs to."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:  # noqa: ARG002
        """What the filters take, and the primary key of a row that this one points at."""
        offered: set[str] = set()
        filters: Any = self.list_filter if request is None else self.get_list_filter(request)
        for each in filters:
            if isinstance(each, type):
                offered.add(str(getattr(each, "parameter_name", "")))
            else:
                column = each if isinstance(each, str) else each[0]
                offered |= {f"{column}{ending}" for ending in _ENDINGS}
        owners = {f"{field.name}__id__exact" for field in self.opts.concrete_fields if field.is_relation}
        return lookup in offered | owners
