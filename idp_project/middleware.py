"""What every request meets before any view: the one thing that PostgreSQL can't store and Django lets through."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest


class RefuseNul:
    """400 for a NUL byte in the address: a look-up with one would be an error of the database, and so a 500.

    Arguments:
        get_response: the rest of the chain.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse, or go on."""
        query = str(request.META.get("QUERY_STRING", ""))
        if "\0" in request.path or "\0" in query or "%00" in query:
            return HttpResponseBadRequest("The address has a NUL byte.", content_type="text/plain")
        return self._get_response(request)
