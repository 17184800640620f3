"""Adding a passkey or an authenticator app to one's account, after a fresh proof."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts import browser, device_cookie, totp
from accounts.acr import ONE_TIME_CODE
from accounts.errors import ChallengeOver, EnrolmentOver, FactorExists, FactorMissing, FactorRefused
from accounts.passkeys import RelyingParty
from accounts.qr_codes import png_data_uri
from accounts.selectors import LiveSession
from accounts.selectors.factors import enrolling_totp, factors_of
from accounts.services.devices import step_up_on_device
from accounts.services.second_factors import begin_totp, confirm_totp
from accounts.views.credentials import Refused, once_each
from accounts.views.page import malformed, see_other
from accounts.views.passkey_forms import PasskeyOptionsView, no_passkeys, party_here
from accounts.views.passkey_making import FIELDS, making_form, options_to_make, take_new_passkey
from accounts.views.reauthentication import ProvenPage, is_proven
from accounts.views.security import show_new_codes


class AddPasskeyView(ProvenPage):
    """One passkey more."""

    name = "account-passkey"
    template = "accounts/add_passkey.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:  # noqa: ARG002
        """The form, which needs a script."""
        return {**making_form(self, self.name), "name": gettext("Passkey"), "back": self.link("account-security")}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form, where browsers make passkeys."""
        return super().get(request) if party_here() else no_passkeys(request)

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Register the passkey; whoever has no recovery codes is shown some, once."""
        fields = once_each(request.POST, FIELDS)
        if fields is None:
            return malformed(request)
        try:
            take_new_passkey(request, fields, person=live.person, realm=self.realm, now=now)
        except Refused as refusal:
            return self._again(request, live, now, fields, refusal)
        except FactorExists:
            return self._again(request, live, now, fields, Refused(gettext("This passkey is registered already.")))
        try:
            return onward(self, request, live, now)
        except FactorMissing:  # an operator took it away in this moment
            return see_other(self.link("account-security"))

    def _again(
        self, request: HttpRequest, live: LiveSession, now: datetime, fields: Mapping[str, str], refusal: Refused
    ) -> HttpResponse:
        told = {"alert": refusal.alert, "errors": refusal.errors, "name": fields["name"]}
        return self.show(request, live, now, status=HTTPStatus.UNPROCESSABLE_ENTITY, **told)


class AddPasskeyOptionsView(PasskeyOptionsView):
    """For somebody who proved a moment ago who they are."""

    def asked(self, request: HttpRequest, party: RelyingParty) -> Mapping[str, Any] | None:
        """A new passkey of whoever is signed in."""
        now = timezone.now()
        live = browser.current(request, realm=self.realm, now=now)
        if live is None or not is_proven(live, now):
            return None
        return options_to_make(request, party, person=live.person, realm=self.realm, now=now)


# The picture stands in the page: an address of its own would have the key in it, or in what is kept of it.
@method_decorator(csp_update({"img-src": ["data:"]}), name="dispatch")
class AddAppView(ProvenPage):
    """An authenticator app; one a person."""

    name = "account-app"
    template = "accounts/add_app.html"
    enrolment: UUID | None = None  # the one that was shown before

    def answer(self, request: HttpRequest, slug: str) -> HttpResponseBase:
        """Answer; whoever has an app already sees it in the list."""
        try:
            return super().answer(request, slug)
        except (FactorExists, FactorMissing):  # in another window, or by an operator, in this moment
            return see_other(self.link("account-security"))
        except ChallengeOver:  # the session has just ended
            return see_other(self.link("sign-in", following=self.address(self.name)))

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:
        """The key, as a picture and as text: the one that was shown before, else a new one."""
        begun = enrolling_totp(live.person, self.enrolment, now=now) if self.enrolment else None
        begun = begun or begin_totp(person=live.person, now=now)
        address = totp.key_uri(begun.seed, issuer=self.realm.name, account=live.person.username)
        return {
            "enrolment": begun.id,
            "qr_code": png_data_uri(address),
            "key": totp.key_text(begun.seed),
            "back": self.link("account-security"),
        }

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Take the app for a second factor, which it has proved: the session is a surer one from now on."""
        fields = once_each(request.POST, ("code", "enrolment"))
        if fields is None:
            return malformed(request)
        try:
            self.enrolment = UUID(fields["enrolment"])
        except ValueError:
            return malformed(request)
        try:
            self._confirm(live, fields["code"], now)
        except Refused as refusal:
            told = {"alert": refusal.alert, "errors": refusal.errors}
            return self.show(request, live, now, status=HTTPStatus.UNPROCESSABLE_ENTITY, **told)
        visit, methods = device_cookie.visit_of(request), (ONE_TIME_CODE,)
        session = step_up_on_device(realm=self.realm, live=live, methods=methods, visit=visit, now=now)
        browser.remember(request, session)
        return onward(self, request, live, now)

    def _confirm(self, live: LiveSession, typed: str, now: datetime) -> None:
        if not typed.strip():
            raise Refused(errors={"code": gettext("Enter the code that the app shows.")})
        actor = f"user:{live.person.subject}"
        assert self.enrolment is not None  # noqa: S101  (act read it)
        try:
            confirm_totp(
                person=live.person, enrolment=self.enrolment, typed=typed, actor=actor, now=now, realm=self.realm
            )
        except FactorRefused as error:
            text = gettext("This code is wrong. Enter the one that the app shows now; its clock has to be right.")
            raise Refused(errors={"code": text}) from error
        except EnrolmentOver as error:
            raise Refused(gettext("This key is out of date. Add the new one below to your app.")) from error


def onward(page: ProvenPage, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
    """Back to the list; or to recovery codes, shown once, for whoever has none."""
    if factors_of(live.person).recovery_codes:
        return see_other(page.link("account-security"))
    return show_new_codes(request, live, now, page=page)
