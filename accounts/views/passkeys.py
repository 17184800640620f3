"""Signing in with a passkey alone: no user name is typed (Web Authentication Level 3 §1.3.3)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.ceremonies import Purpose, begin_ceremony, held_challenge
from accounts.errors import SignInRefused, TooManyAttempts
from accounts.passkeys import RelyingParty, request_options
from accounts.services.passkeys import Answer, sign_in_with_passkey
from accounts.views.arrival import arrive
from accounts.views.credentials import once_each, too_many
from accounts.views.page import malformed, seconds, see_other, whereabouts_of
from accounts.views.passkey_forms import PasskeyOptionsView, no_passkeys, not_accepted, party_here
from accounts.views.sign_in import SignInView


class SignInPasskeyOptionsView(PasskeyOptionsView):
    """For somebody of whom nobody knows yet who they are."""

    def asked(self, request: HttpRequest, party: RelyingParty) -> Mapping[str, Any]:
        """Any passkey that is found without a name."""
        now = timezone.now()
        challenge = begin_ceremony(request, Purpose.SIGN_IN, realm=self.realm, subject="", now=now)
        return request_options(party, known=None, alone=True, challenge=challenge)


class SignInPasskeyView(SignInView):
    """The answer of a passkey; the sign-in page again where it doesn't hold."""

    alert = ""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Nothing is shown here, whoever reloads; the way back, which leads to the same place."""
        query = once_each(request.GET, ("next",))
        if query is None:
            return malformed(request)
        return see_other(self.link("sign-in", following=self.onward(query["next"])))

    def more(self, following: str) -> Mapping[str, object]:
        """What was wrong, beside all else."""
        return {**super().more(following), "passkey_alert": self.alert}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Go on; or the sign-in page, in the same words for whatever was wrong."""
        now, party = timezone.now(), party_here()
        fields, query = once_each(request.POST, ("credential",)), once_each(request.GET, ("next",))
        if fields is None or query is None:
            return malformed(request)
        if party is None:
            return no_passkeys(request)
        challenge = held_challenge(request, Purpose.SIGN_IN, realm=self.realm, subject="", now=now)
        answer = Answer(fields["credential"], challenge, party, whereabouts_of(request))
        try:
            signed_in = sign_in_with_passkey(answer, realm=self.realm, now=now)
        except SignInRefused:
            self.alert = not_accepted()
            return self._form(request, following=query["next"], username="", status=HTTPStatus.UNPROCESSABLE_ENTITY)
        except TooManyAttempts as error:
            wait = seconds(error.retry_after)
            self.alert = too_many(int(wait))
            form = self._form(request, following=query["next"], username="", status=HTTPStatus.TOO_MANY_REQUESTS)
            form["Retry-After"] = wait
            return form
        return arrive(request, signed_in, page=self, following=self.onward(query["next"]))
