"""Addresses of the admin's lists: narrowed by what the page offers, and no way to a column that no page shows."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.vocabulary import OperatorRole
from tests.idp_project.operators.test_role_pages import rows, signed_in, with_role

__all__ = ["rows"]
pytestmark = pytest.mark.spec("issue: roles, each can do no more than its permissions")
LETTER_BY_LETTER = ("startswith", "regex", "contains", "gt", "lte", "in")


def list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label_lower)
def test_no_column_is_told_letter_by_letter(model: Any, db: None) -> None:
    owner = signed_in(with_role(OperatorRole.OWNER))
    for column in model._meta.concrete_fields:
        for ending in LETTER_BY_LETTER:
            assert owner.get(list_of(model), {f"{column.name}__{ending}": "1"}).status_code == 400


@pytest.mark.parametrize(
    ("place", "column"),
    [
        ("realms_realm", "pairwise_salt"),
        ("tokens_client", "secret_digests"),
        ("accounts_upstreamprovider", "client_secret"),
        ("accounts_mailedlink", "digest"),
        ("accounts_device", "address_digest"),
        ("accounts_user", "password"),
        ("accounts_user", "memberships__realm__pairwise_salt__startswith"),
        ("accounts_user", "is_superuser"),
        ("accounts_session", "realm__pairwise_salt"),
        ("accounts_session", "user__password__startswith"),
        ("tokens_grant", "client__secret_digests__icontains"),
        ("keys_keypair", "sealed_private"),
    ],
)
def test_nobody_narrows_a_list_by_what_is_secret(place: str, column: str, db: None) -> None:
    viewer = signed_in(with_role(OperatorRole.VIEWER))
    for value in ("", "1", "\\x00"):
        assert viewer.get(reverse(f"admin:{place}_changelist"), {column: value}).status_code == 400


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label_lower)
def test_every_way_that_a_list_offers_to_narrow_it_works(model: Any, rows: dict[str, Any]) -> None:
    owner = signed_in(with_role(OperatorRole.OWNER))
    page = owner.get(list_of(model)).content.decode()
    for address in map(unescape, set(re.findall(r'href="(\?[^"]+)"', page))):
        assert owner.get(list_of(model) + address).status_code == 200, address
    for field in model._meta.concrete_fields:
        if field.is_relation and model._meta.app_label != "keys":
            assert owner.get(list_of(model), {f"{field.name}__id__exact": "1"}).status_code in (200, 302)
