"""What every request meets around any view: a byte that PostgreSQL can't store, and a server that is not to be had."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest

from accounts.errors import HashingBusy

logger = logging.getLogger("signet.http")
_RETRY_SECONDS = "5"


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


class OutageIs503:
    """503 where a page can't be made because the database is away, or all places for hashing are taken.

    The protocol's endpoints answer so by themselves, as JSON; this is for the admin's pages.

    Arguments:
        get_response: the rest of the chain.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Go on."""
        return self._get_response(request)

    def process_exception(self, _request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """An outage as 503; anything else is a fault of ours and goes on."""
        if not isinstance(exception, HashingBusy | OperationalError | InterfaceError):
            return None
        logger.error("request.unavailable cause=%s", type(exception).__name__)
        response = HttpResponse("The server can't do this now. Try again in a few seconds.", "text/plain", 503)
        response["Retry-After"] = _RETRY_SECONDS
        return response
