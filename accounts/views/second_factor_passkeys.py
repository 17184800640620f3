"""A passkey for a second factor: used after the first proof, or set up because one is demanded."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from accounts.ceremonies import Purpose, begin_ceremony, held_challenge
from accounts.errors import FactorRefused
from accounts.passkeys import RelyingParty, request_options
from accounts.selectors.factors import factors_of
from accounts.selectors.passkeys import passkeys_of
from accounts.services.passkeys import Answer, prove_passkey
from accounts.services.second_factors import make_recovery_codes
from accounts.views.credentials import Refused
from accounts.views.page import see_other, whereabouts_of
from accounts.views.passkey_forms import PasskeyOptionsView, known_passkeys, not_accepted, party_here
from accounts.views.passkey_making import FIELDS, making_form, options_to_make, take_new_passkey
from accounts.views.second_factor import SecondFactorView
from accounts.views.second_factor_set_up import SetUpView
from accounts.views.second_proof import Asked, asked_here


class SecondFactorPasskeyView(SecondFactorView):
    """The answer of a passkey; the page of the second factor again where it doesn't hold."""

    fields = ("credential",)

    def contents(self, asked: Asked, fields: Mapping[str, str], now: datetime) -> Mapping[str, object]:
        """The page that asked, whose other forms are empty."""
        return super().contents(asked, {**fields, "code": "", "recovery_code": ""}, now)

    def prove(
        self, request: HttpRequest, asked: Asked, fields: Mapping[str, str], now: datetime, *, following: str
    ) -> HttpResponse:
        """Take the passkey's answer, if it is one of this person's."""
        person, party = asked.person, party_here()
        taken = held_challenge(request, Purpose.SECOND_FACTOR, realm=self.realm, subject=person.subject, now=now)
        if party is None:
            raise Refused(not_accepted())
        answer = Answer(fields["credential"], taken, party, whereabouts_of(request))
        try:
            methods = prove_passkey(answer, person=person, realm=self.realm, now=now)
        except FactorRefused as error:
            raise Refused(not_accepted()) from error
        self.finish(request, asked, methods=methods, now=now)
        return see_other(following or self.link("signed-in"))


class SecondFactorPasskeyOptionsView(PasskeyOptionsView):
    """For somebody of whom the first proof says who they are."""

    def asked(self, request: HttpRequest, party: RelyingParty) -> Mapping[str, Any] | None:
        """One of their passkeys."""
        now = timezone.now()
        asked = asked_here(request, realm=self.realm, now=now)
        known = known_passkeys(passkeys_of(asked.person)) if asked else []
        if asked is None or not known:
            return None
        subject = asked.person.subject
        challenge = begin_ceremony(request, Purpose.SECOND_FACTOR, realm=self.realm, subject=subject, now=now)
        return request_options(party, known=known, alone=False, challenge=challenge)


class SetUpPasskeyView(SetUpView):
    """A passkey for a first second factor, then recovery codes, then its use: to make one proves nothing yet."""

    name = "second-factor-set-up-passkey"
    template = "accounts/add_passkey.html"
    fields = FIELDS

    def contents(self, asked: Asked, fields: Mapping[str, str], now: datetime) -> Mapping[str, object]:  # noqa: ARG002
        """The form, which needs a script."""
        back = self.link("second-factor-set-up", following=self.following)
        return {**making_form(self, self.name), "name": fields["name"] or gettext("Passkey"), "back": back}

    def prove(
        self, request: HttpRequest, asked: Asked, fields: Mapping[str, str], now: datetime, *, following: str
    ) -> HttpResponse:
        """Register the passkey, show the recovery codes, and lead to where it is used."""
        person = asked.person
        take_new_passkey(request, fields, person=person, realm=self.realm, now=now, only_first=True)
        codes = make_recovery_codes(person=person, actor=f"user:{person.subject}", now=now, realm=self.realm)
        onward = self.link("second-factor", following=following)
        return render(request, "accounts/recovery_codes.html", {"realm": self.realm, "codes": codes, "onward": onward})


class SetUpPasskeyOptionsView(PasskeyOptionsView):
    """For somebody who has no second factor yet."""

    def asked(self, request: HttpRequest, party: RelyingParty) -> Mapping[str, Any] | None:
        """A new passkey; of whoever has a second factor, that is asked for first."""
        now = timezone.now()
        asked = asked_here(request, realm=self.realm, now=now)
        if asked is None or factors_of(asked.person).any:
            return None
        return options_to_make(request, party, person=asked.person, realm=self.realm, now=now)
