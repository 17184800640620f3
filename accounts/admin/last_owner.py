"""What the admin of people does where a change would leave no owner: it is undone, and the operator told."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.errors import LastSuperuser


class KeepsAnOwner(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Django's own pages; each holds its transaction, which the error has undone when it comes here."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """The form, for a person or a new one."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except LastSuperuser as error:
            return _told(request, error)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """The end of one account."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except LastSuperuser as error:
            return _told(request, error)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """The list, with the end of several."""
        try:
            return super().changelist_view(request, extra_context)
        except LastSuperuser as error:
            return _told(request, error)


def _told(request: HttpRequest, error: LastSuperuser) -> HttpResponse:
    messages.error(request, str(error))
    return HttpResponseRedirect(request.get_full_path())
