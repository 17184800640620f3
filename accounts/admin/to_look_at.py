"""What the admins share whose rows are written by what happens, and never by hand."""

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse

from realms.narrowed_lists import NarrowedLists


class SoundSelections(NarrowedLists):
    """Rows of which some can be selected: what is has to be a key that one of them can have."""

    def response_action(self, request: HttpRequest, queryset: Any, *where: Any) -> HttpResponse | None:
        """Django's own, which would stumble over a key that none of these rows can have."""
        key = self.model._meta.pk
        try:
            for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
                key.clean(value, None)
        except ValidationError as error:
            raise BadRequest("A selected row has no such key.") from error
        return super().response_action(request, queryset, *where)


class ToLookAt(SoundSelections):
    """Rows to look at. Their actions are permissions of their own."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """No: `rotate_keys` removes what ended long ago."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under a plain title."""
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {**(extra_context or {}), "title": title})
