"""The pages between an operator's password and the admin: to prove a second factor, and to set up a first one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from math import ceil
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import totp
from accounts.acr import PASSWORD, joined
from accounts.ceremonies import Purpose, begin_ceremony, held_challenge
from accounts.errors import EnrolmentOver, FactorExists, FactorRefused, TooManyAttempts
from accounts.models import User
from accounts.passkeys import request_options
from accounts.qr_codes import png_data_uri
from accounts.selectors.factors import Enrolment, enrolling_totp, factors_of
from accounts.selectors.passkeys import passkeys_of
from accounts.services.attempts import Attempt, reserve
from accounts.services.passkeys import Answer, prove_passkey
from accounts.services.second_factors import begin_totp, confirm_totp, make_recovery_codes, prove_code
from accounts.services.sign_in import record_proof
from accounts.views.page import whereabouts_of
from accounts.views.passkey_forms import PasskeyForm, known_passkeys, party_here
from idp_project.operators.proof import remember_second_factor, second_factor_due
from keys.errors import KeysError
from realms.identifiers import uuid_in

_BUSY = "Second factors can't be read at the moment. Try again in a few seconds."


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a code opens nothing: a sentence, a status, and after how many seconds to try again."""

    alert: str = ""
    status: int = HTTPStatus.OK
    retry_after: int | None = None


def second_factor_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Ask for a code; with a right one the admin opens.

    Arguments:
        site: the `OperatorSite`.
        request: of an operator who is signed in by password.
    """
    elsewhere = _elsewhere(site, request, for_those_with_one=True)
    if elsewhere is not None:
        return elsewhere
    if request.method != "POST":
        return _asking(site, request, _Refusal())
    refusal = _prove(request, cast("User", request.user), now=timezone.now())
    return _asking(site, request, refusal) if refusal else HttpResponseRedirect(_following(request))


def passkey_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Take the answer of a passkey; the page that asked for it again where it doesn't hold.

    Arguments are those of `second_factor_page`.
    """
    elsewhere = _elsewhere(site, request, for_those_with_one=True)
    if elsewhere is not None:
        return elsewhere
    if request.method != "POST":
        return cast("HttpResponse", site.led_to("second_factor", following=_following(request)))
    refusal = _prove_passkey(request, cast("User", request.user), now=timezone.now())
    return _asking(site, request, refusal) if refusal else HttpResponseRedirect(_following(request))


def passkey_options(_site: Any, request: HttpRequest) -> HttpResponse:
    """What the script asks the browser for: one of this operator's passkeys, with a challenge of its own."""
    person, party, now = cast("User", request.user), party_here(), timezone.now()
    known = known_passkeys(passkeys_of(person))
    if request.method != "POST" or party is None or not known or not second_factor_due(request):
        return HttpResponse(status=HTTPStatus.FORBIDDEN)
    try:
        reserve(Attempt.PASSKEY_CHALLENGE, address=_address(request), now=now)
    except TooManyAttempts as error:
        wait = str(ceil(error.retry_after.total_seconds()))
        return HttpResponse(status=HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": wait})
    challenge = begin_ceremony(request, Purpose.SECOND_FACTOR, realm=None, subject=person.subject, now=now)
    return JsonResponse(dict(request_options(party, known=known, alone=False, challenge=challenge)))


def _prove(request: HttpRequest, person: User, *, now: datetime) -> _Refusal | None:
    """Take a code, and mark that it was proved; or why not."""
    typed, wrong = request.POST.get("code", ""), "The code is wrong, or was used before."
    address = _address(request)
    return _attempt(
        lambda: prove_code(person=person, typed=typed, realm=None, address=address, now=now),
        request, person, wrong=wrong, now=now,
    )  # fmt: skip


def _prove_passkey(request: HttpRequest, person: User, *, now: datetime) -> _Refusal | None:
    """Take the answer of a passkey, and mark that it was proved; or why not."""
    wrong, party = "The passkey was not accepted. Try again, or take a code.", party_here()
    challenge = held_challenge(request, Purpose.SECOND_FACTOR, realm=None, subject=person.subject, now=now)
    if party is None:
        return _Refusal(wrong, HTTPStatus.UNPROCESSABLE_ENTITY)
    answer = Answer(request.POST.get("credential", ""), challenge, party, whereabouts_of(request))
    return _attempt(
        lambda: prove_passkey(answer, person=person, realm=None, now=now),
        request, person, wrong=wrong, now=now,
    )  # fmt: skip


def _attempt(
    proof: Callable[[], tuple[str, ...]], request: HttpRequest, person: User, *, wrong: str, now: datetime
) -> _Refusal | None:
    try:
        methods = proof()
    except FactorRefused:
        return _Refusal(wrong, HTTPStatus.UNPROCESSABLE_ENTITY)
    except TooManyAttempts as error:
        wait = ceil(error.retry_after.total_seconds())
        alert = f"There were too many attempts. Try again in {wait} seconds."
        return _Refusal(alert, HTTPStatus.TOO_MANY_REQUESTS, wait)
    except KeysError:
        return _Refusal(_BUSY, HTTPStatus.SERVICE_UNAVAILABLE)
    record_proof(person, joined((PASSWORD,), methods), realm=None, now=now)
    remember_second_factor(request, person)
    return None


def _asking(site: Any, request: HttpRequest, refusal: _Refusal) -> HttpResponse:
    template, factors = "admin/operators/second_factor.html", factors_of(cast("User", request.user))
    response = _page(
        site,
        request,
        template,
        "Second factor",
        status=refusal.status,
        alert=refusal.alert,
        factors=factors,
        passkey=_passkey_form(request) if factors.passkeys and party_here() else None,
    )
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _passkey_form(request: HttpRequest) -> PasskeyForm:
    action = f"{reverse('admin:second_factor_passkey')}?{urlencode({'next': _following(request)})}"
    options = reverse("admin:second_factor_passkey_options")
    return PasskeyForm("passkey-use", "get", action, options, "Use a passkey")


def _elsewhere(site: Any, request: HttpRequest, *, for_those_with_one: bool) -> HttpResponse | None:
    """Where an operator is led who has no use for a page: into the admin, or to the other one of the two.

    Arguments:
        for_those_with_one: whether the page is for whoever has a second factor.
    """
    if not second_factor_due(request):
        return HttpResponseRedirect(_following(request))
    has_some = factors_of(cast("User", request.user)).any
    if has_some is for_those_with_one:
        return None
    other = "second_factor" if has_some else "second_factor_set_up"
    return cast("HttpResponse", site.led_to(other, following=_following(request)))


def set_up_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Have an operator who has no second factor set one up, and show them their recovery codes this once.

    Arguments:
        site: the `OperatorSite`.
        request: of an operator who is signed in by password.
    """
    elsewhere = _elsewhere(site, request, for_those_with_one=False)
    if elsewhere is not None:
        return elsewhere
    if request.method != "POST":
        return _setting_up(site, request, None)
    person = cast("User", request.user)
    try:
        return _confirm(site, request, person) if "enrolment" in request.POST else _begin(site, request, person)
    except FactorExists:  # in another window
        return cast("HttpResponse", site.led_to("second_factor", following=_following(request)))
    except KeysError:
        return _setting_up(site, request, None, alert=_BUSY, status=HTTPStatus.SERVICE_UNAVAILABLE)


def _begin(site: Any, request: HttpRequest, person: User) -> HttpResponse:
    return _setting_up(site, request, begin_totp(person=person, now=timezone.now()))


def _confirm(site: Any, request: HttpRequest, person: User) -> HttpResponse:
    """Take the app where its code is right; else ask again."""
    now, actor, over = timezone.now(), f"user:{person.subject}", "That took too long. Begin anew."
    enrolment = uuid_in(request.POST["enrolment"])
    if enrolment is None:
        return _setting_up(site, request, None, alert=over, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    typed = request.POST.get("code", "")
    try:
        confirm_totp(person=person, enrolment=enrolment, typed=typed, actor=actor, now=now, only_first=True)
    except FactorRefused:
        begun, alert = enrolling_totp(person, enrolment, now=now), "The code is wrong. Wait for the next one."
        return _setting_up(site, request, begun, alert=alert, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except EnrolmentOver:
        return _setting_up(site, request, None, alert=over, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    codes = make_recovery_codes(person=person, actor=actor, now=now)
    record_proof(person, joined((PASSWORD,), ("otp",)), realm=None, now=now)
    remember_second_factor(request, person)
    template, following = "admin/operators/recovery_codes.html", _following(request)
    return _page(site, request, template, "Recovery codes", codes=codes, following=following)


def _setting_up(
    site: Any, request: HttpRequest, begun: Enrolment | None, *, alert: str = "", status: int = HTTPStatus.OK
) -> HttpResponse:
    person = cast("User", request.user)
    context: dict[str, Any] = {}
    if begun is not None:
        issuer = urlsplit(settings.IDP_ISSUER).hostname or "Signet"
        uri = totp.key_uri(begun.seed, issuer=issuer, account=person.username)
        context = {"enrolment": begun.id, "picture": png_data_uri(uri), "key": totp.key_text(begun.seed), "uri": uri}
    template, title = "admin/operators/set_up.html", "Set up a second factor"
    return _page(site, request, template, title, status=status, alert=alert, **context)


def _page(
    site: Any, request: HttpRequest, template: str, title: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        **site.each_context(request),
        "title": title,
        "subtitle": None,
        "here": f"{request.path}?{urlencode({'next': _following(request)})}",
        "username": cast("User", request.user).username,
        **more,
    }
    response = TemplateResponse(request, template, context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _following(request: HttpRequest) -> str:
    """Where the operator wanted to go: a page of the admin, and nowhere else."""
    index, asked = reverse("admin:index"), request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(asked, allowed_hosts=None) and asked.startswith(index)
    return asked if ours and not asked.startswith(reverse("admin:logout")) else index


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
