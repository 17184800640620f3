"""Django's middleware, its decorators, and the DRF authentication class."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, RequestFactory
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from signet_verifier import MULTI_FACTOR, Guard
from signet_verifier import django as skin
from signet_verifier.drf import SignetAuthentication
from signet_verifier.drf import requires as needed
from tests.verifier.issuer import Issuer, claims


@pytest.fixture(autouse=True)
def _guard(settings: LazySettings, issuer: Issuer) -> None:
    settings.SIGNET_GUARD = Guard(issuer.verifier(), realm="notes")


def request(issuer: Issuer, query: str = "", **told: Any) -> HttpRequest:
    """A request with a good token."""
    token = issuer.published[0].sign(claims(**told))
    return RequestFactory().get(f"/{query}", headers={"authorization": f"Bearer {token}"})


def view(request: HttpRequest, *, word: str = "") -> HttpResponse:
    """Who is it?"""
    return HttpResponse(f"{word}{skin.claims_of(request).subject}")


def open_view(request: HttpRequest) -> HttpResponse:
    """For everybody."""
    return HttpResponse("open")


@pytest.mark.spec("RFC 6750 §2, §3.1")
def test_the_middleware_verifies_what_comes(issuer: Issuer) -> None:
    middleware: Callable[..., Any] = skin.SignetMiddleware(open_view)
    assert middleware(request(issuer)).content == b"open"
    assert middleware(RequestFactory().get("/")).content == b"open"
    bad = middleware(request(issuer, exp=1))
    assert (bad.status_code, bad.content) == (401, b"")
    assert bad["WWW-Authenticate"].startswith('Bearer realm="notes", error="invalid_token"')
    assert middleware(request(issuer, query="?access_token=x")).status_code == 400
    issuer.away()
    issuer.time.passes(4_000)
    assert middleware(request(issuer, exp=issuer.time() + 60)).status_code == 503


@pytest.mark.spec("RFC 6750 §3.1, RFC 9470 §3")
@pytest.mark.parametrize("behind_middleware", [True, False])
def test_a_view_says_what_it_needs(issuer: Issuer, behind_middleware: bool) -> None:
    def get(view: Any, request: HttpRequest) -> Any:
        return (skin.SignetMiddleware(view) if behind_middleware else view)(request)

    assert get(skin.requires()(view), request(issuer)).content == b"person"
    assert get(skin.requires()(view), RequestFactory().get("/"))["WWW-Authenticate"] == 'Bearer realm="notes"'
    assert get(skin.requires_scopes("admin")(view), request(issuer)).status_code == 403
    assert get(skin.requires_scopes("notes:read")(view), request(issuer)).status_code == 200
    assert get(skin.requires_roles("owner")(view), request(issuer)).status_code == 403
    assert get(skin.requires_roles("owner", "x")(view), request(issuer, roles=["x"])).status_code == 200
    stepped = get(skin.requires_acr(MULTI_FACTOR, max_age=60)(view), request(issuer))
    assert stepped.status_code == 401
    assert f'acr_values="{MULTI_FACTOR}", max_age="60"' in stepped["WWW-Authenticate"]
    assert get(skin.requires_device_trust(50)(view), request(issuer, device_trust=49)).status_code == 401
    assert get(skin.requires_device_trust(50)(view), request(issuer, device_trust=50)).status_code == 200


@pytest.mark.spec("5 of 6, verifier: decorators")
def test_a_decorated_view_keeps_its_name_and_arguments(issuer: Issuer) -> None:
    guarded = skin.requires()(view)
    assert guarded.__name__ == "view"
    assert guarded(request(issuer), word="I am ").content == b"I am person"


@pytest.mark.spec("5 of 6, verifier: decorators")
def test_asynchronous_views_are_guarded_too(issuer: Issuer) -> None:
    async def there(request: HttpRequest) -> HttpResponse:
        return view(request)

    async def ask(application: Any, **told: Any) -> HttpResponse:
        token = issuer.published[0].sign(claims(**told))
        headers = {"authorization": f"Bearer {token}"}
        answer: HttpResponse = await application(AsyncRequestFactory().get("/", headers=headers))
        return answer

    strict = skin.requires(scopes="admin")(there)
    for application in (strict, skin.SignetMiddleware(strict)):
        assert asyncio.run(ask(application)).status_code == 403
        assert asyncio.run(ask(application, scope="admin")).content == b"person"
        assert asyncio.run(ask(application, exp=1)).status_code == 401


@pytest.mark.spec("5 of 6, verifier: fail closed")
def test_without_a_guard_nothing_is_answered(settings: LazySettings, issuer: Issuer) -> None:
    settings.SIGNET_GUARD = None
    with pytest.raises(ImproperlyConfigured):
        skin.requires()(view)(request(issuer))


class Notes(APIView):
    """A view of DRF."""

    authentication_classes = (SignetAuthentication,)
    permission_classes = (IsAuthenticated, needed(scopes="notes:read", max_age=60))

    def get(self, request: Any) -> Response:
        """Who is it?"""
        return Response({"pk": request.user.pk, "text": str(request.user), "client": request.auth.client_id})


@pytest.mark.spec("RFC 6750 §3, §3.1, RFC 9470 §3")
def test_drf_knows_who_it_is_and_challenges(issuer: Issuer) -> None:
    notes = Notes.as_view()
    fresh: dict[str, Any] = {"auth_time": int(issuer.time())}
    assert notes(request(issuer, **fresh)).data == {"pk": "person", "text": "person", "client": "notes"}
    nobody = notes(RequestFactory().get("/"))
    assert (nobody.status_code, nobody["WWW-Authenticate"]) == (401, 'Bearer realm="notes"')
    refusals: tuple[tuple[dict[str, Any], int, str], ...] = (
        ({"exp": 1}, 401, "invalid_token"),
        ({"scope": "x", **fresh}, 403, "insufficient_scope"),
        ({}, 401, "insufficient_user_authentication"),
    )
    for told, status, error in refusals:
        refused = notes(request(issuer, **told))
        assert (refused.status_code, f'error="{error}"' in refused["WWW-Authenticate"]) == (status, True)
    both = notes(request(issuer, "?access_token=x", **fresh))
    assert (both.status_code, 'error="invalid_request"' in both["WWW-Authenticate"]) == (400, True)
    issuer.away()
    issuer.time.passes(4_000)
    away = notes(request(issuer, exp=issuer.time() + 60))
    assert (away.status_code, away["Retry-After"]) == (503, "10")


@pytest.mark.spec("5 of 6, verifier: fail closed")
def test_a_permission_without_claims_is_refused(issuer: Issuer) -> None:
    class Alone(APIView):
        authentication_classes = (SignetAuthentication,)
        permission_classes = (needed(),)

    assert Alone.as_view()(RequestFactory().get("/")).status_code == 401
