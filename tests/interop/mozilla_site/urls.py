"""The site's pages."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.template import Context, Engine
from django.urls import include, path

from tests.interop.mozilla_site.settings import LOGOUT_REDIRECT_URL, SITE

_FORM = Engine().from_string(
    '<form method="post" action="/oidc/logout/" id="sign-out">{% csrf_token %}<button>Sign out</button></form>'
)


def front_page(request: HttpRequest) -> HttpResponse:
    """Tells whether somebody is signed in, to anybody."""
    return HttpResponse(f"signed in: {request.user.is_authenticated}")


@login_required
def me(request: HttpRequest) -> HttpResponse:
    """What the site knows of the person: a page that SessionRefresh watches over."""
    return JsonResponse({"email": getattr(request.user, "email", ""), "id_token": request.session["oidc_id_token"]})


@login_required
def sign_out_page(request: HttpRequest) -> HttpResponse:
    """The button that signs out."""
    return HttpResponse(_FORM.render(Context({"csrf_token": get_token(request)})))


def sign_out_address(request: HttpRequest) -> str:
    """Where the person goes to sign out of the provider too (OpenID Connect RP-Initiated Logout §2)."""
    back = request.build_absolute_uri(LOGOUT_REDIRECT_URL)
    query = {"id_token_hint": request.session["oidc_id_token"], "post_logout_redirect_uri": back}
    return f"{SITE['end_session_endpoint']}?{urlencode(query)}"


urlpatterns = [
    path("", front_page),
    path("me", me),
    path("sign-out", sign_out_page),
    path("oidc/", include("mozilla_django_oidc.urls")),
]
