"""A client's page *Try it*: a real sign-in as that client, and what comes of it."""

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from keys.errors import KeysError
from realms.acting import actor_of
from realms.models import Realm
from realms.narrowed_lists import NarrowedLists
from realms.selectors import DEFAULT_SLUG
from tokens.models import Client
from tokens.services.trial import (
    Trial,
    TrialFailed,
    TrialOutcome,
    address_of,
    begin_trial,
    callback,
    faults,
    finish_trial,
)

_TRIAL = "signet.trial"  # in the operator's session: the one that was begun last


class TrialPages(NarrowedLists):
    """The two pages, as a part of the clients' admin; they take the permission to change a client."""

    def try_it(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What is missing, or a button; on POST the way to the authorization endpoint."""
        client = self._client(request, pk)
        missing = faults(client)
        if request.method != "POST" or missing:
            return self._page(request, client, missing=missing, others=self._others(client))
        trial = begin_trial(client, redirect_uri=callback(), now=timezone.now())
        request.session[_TRIAL] = trial.stored()
        anew = request.POST.get("anew") == "on"
        return HttpResponseRedirect(address_of(trial, client, page=_authorize(client.realm), anew=anew), status=303)

    # The form comes from the authorization endpoint, which knows no token of the admin's: `state` is the protection
    # against forms of others (RFC 6749 §10.12).
    @csrf_exempt
    def trial_answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to the trial that waits, once."""
        kept = request.session.pop(_TRIAL, None)
        if request.method != "POST" or kept is None:
            return redirect("admin:tokens_client_changelist")
        trial = Trial(**kept)
        client, outcome, failure = self._client(request, trial.client), None, ""
        try:
            answer = {name: [str(value) for value in values] for name, values in request.POST.lists()}
            outcome = finish_trial(trial, client, answer, actor=actor_of(request), now=timezone.now())
        except TrialFailed as error:
            failure = str(error)
        except KeysError:
            failure = "No key may sign now: look at the realm's rings."
        return self._page(request, client, outcome=outcome, failure=failure, missing=faults(client))

    def _client(self, request: HttpRequest, pk: int) -> Client:
        client = get_object_or_404(Client.objects.select_related("realm"), pk=pk)
        if not self.has_change_permission(request, client):
            raise PermissionDenied
        return client

    def _others(self, client: Client) -> list[tuple[str, str]]:
        """The redirect URIs that lead elsewhere, each with a request that only shows the pages on the way there."""
        page, now = _authorize(client.realm), timezone.now()
        others = [uri for uri in client.redirect_uris if uri != callback()]
        return [
            (uri, address_of(begin_trial(client, redirect_uri=uri, now=now), client, page=page, anew=False))
            for uri in others
        ]

    def _page(
        self,
        request: HttpRequest,
        client: Client,
        *,
        missing: list[str],
        others: list[tuple[str, str]] | None = None,
        outcome: TrialOutcome | None = None,
        failure: str = "",
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Try it",
            "client": client,
            "missing": missing,
            "others": others or [],
            "failure": failure,
            "outcome": outcome,
            "id_token": _legible(outcome.id_token) if outcome and outcome.id_token else "",
            "access_token": _legible(outcome.access_token) if outcome else "",
        }
        response = TemplateResponse(request, "admin/tokens/client/trial.html", context)
        response["Cache-Control"] = "no-store"
        return response


def _authorize(realm: Realm) -> str:
    if realm.slug == DEFAULT_SLUG:
        return reverse("authorize")
    return reverse("realm:authorize", kwargs={"realm": realm.slug})


def _legible(claims: Any) -> str:
    return json.dumps(dict(claims), indent=2, ensure_ascii=False)
