"""The admin's site: who is let in, and where whoever owes a second factor is sent."""

from collections.abc import Callable
from functools import update_wrapper
from http import HTTPStatus
from math import ceil
from typing import Any, cast
from urllib.parse import urlencode

from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from accounts.errors import TooManyAttempts
from accounts.models import User
from accounts.services.people import record_person_changed
from accounts.services.sign_in import knows_password
from accounts.views.page import whereabouts_of
from idp_project.operators.pages import passkey_options, passkey_page, second_factor_page, set_up_page
from idp_project.operators.proof import keep_after_new_password, second_factor_due, still_counts

# The picture of a key holds a secret: it stands in the page, and has no address from which it could be fetched.
_WITH_PICTURE = csp_update({"img-src": ["data:"]})
_Page = Callable[[Any, HttpRequest], HttpResponseBase]


class OwnPasswordForm(AdminPasswordChangeForm):
    """Django's form; a change leaves an event, and none goes without it."""

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002  (Django's)
        """Save what was hashed before: no transaction waits for a hash, or for a list of breached passwords."""
        person = super().save(commit=False)
        if commit:
            actor, now = f"user:{person.subject}", timezone.now()
            with transaction.atomic():
                person.save(update_fields=["password", "signed_out_at"])
                record_person_changed(person, fields=["password"], actor=actor, now=now)
        return person


class OperatorSite(AdminSite):
    """Django's site; each of its views refuses whoever has proved a password alone."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may see anything: signed in, since nothing ended that, and with all that is due."""
        return self.knows(request) and not second_factor_due(request)

    def knows(self, request: HttpRequest) -> bool:
        """Whether an operator is signed in by password; a second factor may be due yet."""
        return super().has_permission(request) and still_counts(request, now=timezone.now())

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002  (Django's)
        """Django's own; whoever owes a second factor is led to the page for it, but may always sign out."""
        guarded: Any = super().admin_view(view, cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not (self.knows(request) and second_factor_due(request)):
                return guarded(request, *args, **kwargs)
            if request.path == reverse("admin:logout", current_app=self.name):
                return csrf_protect(never_cache(view))(request, *args, **kwargs)
            return self.led_to("second_factor", following=request.get_full_path())

        return update_wrapper(inner, guarded)

    def get_urls(self) -> list[Any]:
        """The pages of the second factor stand before Django's own, whose last one catches every address."""
        return [
            path("second-factor/", self._half_open(second_factor_page), name="second_factor"),
            path("second-factor/passkey/", self._half_open(passkey_page), name="second_factor_passkey"),
            path(
                "second-factor/passkey-options/",
                self._half_open(passkey_options),
                name="second_factor_passkey_options",
            ),
            path("second-factor/set-up/", _WITH_PICTURE(self._half_open(set_up_page)), name="second_factor_set_up"),
            *super().get_urls(),
        ]

    def _half_open(self, page: _Page) -> Any:
        """A page for whoever is signed in by password and owes the rest; for nobody else."""

        def inner(request: HttpRequest) -> HttpResponseBase:
            if not self.knows(request):
                login = reverse("admin:login", current_app=self.name)
                return HttpResponseRedirect(f"{login}?{urlencode({'next': request.get_full_path()})}")
            return page(self, request)

        return require_http_methods(["GET", "HEAD", "POST"])(never_cache(csrf_protect(inner)))

    def led_to(self, name: str, *, following: str) -> HttpResponse:
        """A redirect to a page of this site.

        Arguments:
            following: where that page leads to.
        """
        address = reverse(f"admin:{name}", current_app=self.name)
        return HttpResponseRedirect(f"{address}?{urlencode({'next': following})}")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's page; whoever owes a second factor alone has no use for it."""
        if request.method == "GET" and self.knows(request) and second_factor_due(request):
            return self.led_to("second_factor", following=request.GET.get("next", ""))
        return super().login(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Django's page for one's own password, with a form of ours; after a change this session alone goes on.

        Whoever holds somebody else's session guesses at the old one no faster than at a sign-in.
        """
        if request.method == "POST" and not self._may_try(request):
            return cast("TemplateResponse", HttpResponseRedirect(request.path))
        request.current_app = self.name
        done = reverse("admin:password_change_done", current_app=self.name)
        context = {**self.each_context(request), **(extra_context or {})}
        page = PasswordChangeView.as_view(form_class=OwnPasswordForm, success_url=done, extra_context=context)
        response = page(request)
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            keep_after_new_password(request, cast("User", request.user), now=timezone.now())
        return cast("TemplateResponse", response)

    @staticmethod
    def _may_try(request: HttpRequest) -> bool:
        """Whether the old password may be looked at; the operator is told where the limit is reached."""
        person, old = cast("User", request.user), request.POST.get("old_password", "")
        try:
            knows_password(person, old, whereabouts=whereabouts_of(request), now=timezone.now())
        except TooManyAttempts as error:
            wait = ceil(error.retry_after.total_seconds())
            messages.error(request, f"There were too many attempts. Try again in {wait} seconds.")
            return False
        return True  # a wrong one is told by Django's form
