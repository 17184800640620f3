"""What each role of operators may do: one table, and the groups that follow from it with every `migrate`.

An owner is not in it: Django's superuser may do everything, the giving of roles included, and owners alone may that.
"""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from django.apps import apps as installed

from accounts.vocabulary import OperatorRole, group_of

OUR_APPS = ("realms", "audit", "keys", "accounts", "tokens")

_PEOPLE_AND_CLIENTS = frozenset(
    {
        "accounts.add_user", "accounts.change_user", "accounts.delete_user",
        "accounts.add_membership", "accounts.change_membership", "accounts.delete_membership",
        "accounts.end_session", "accounts.remove_device", "accounts.trust_device",
        "accounts.reset_factors", "accounts.lift_limit",
        "accounts.invite_person",
        "accounts.add_upstreamprovider", "accounts.change_upstreamprovider", "accounts.delete_upstreamprovider",
        "accounts.delete_upstreamlink",
        "tokens.add_client", "tokens.change_client",
        "tokens.end_grant", "tokens.withdraw_consent", "tokens.retry_logoutdelivery",
        "realms.change_realm",
    }
)  # fmt: skip
_KEYS = frozenset({"keys.add_keyring", "keys.change_keyring", "keys.rotate_keyring", "keys.compromise_keypair"})
# What no role has: an owner does it, or gives it to somebody by hand.
OWNERS_ALONE = frozenset({"audit.view_personal"})


def permissions_of_roles() -> Mapping[OperatorRole, Set[str]]:
    """The table: the permissions of each role but the owner's, as `app.codename`."""
    views = frozenset(_views())
    return {
        OperatorRole.VIEWER: views,
        OperatorRole.OPERATOR: views | _PEOPLE_AND_CLIENTS,
        OperatorRole.KEY_OFFICER: views | _KEYS,
    }


def _views() -> Iterator[str]:
    """Django's own permission to view each of our models: what else begins with the word is none of them."""
    for label in OUR_APPS:
        for model in installed.get_app_config(label).get_models():
            yield f"{label}.view_{model._meta.model_name}"


def make_roles(apps: Any = installed, using: str = "default", **_signal: Any) -> None:
    """Make the group of each role, and give it what the table says, no more and no less.

    Run after every `migrate`, and safe to run again. Groups of other names are the owners' and stay as they are;
    those of these names can't be changed by hand (accounts/admin/roles.py).

    Arguments:
        apps: the models as they stand after the migrations that ran; a role has nothing that isn't there yet.
        using: the database.
    """
    try:
        groups = apps.get_model("auth", "Group").objects.using(using)
        permissions = apps.get_model("auth", "Permission").objects.using(using)
    except LookupError:
        return  # these migrations ended before Django's own
    there = {
        f"{label}.{codename}": pk
        for pk, label, codename in permissions.filter(content_type__app_label__in=OUR_APPS).values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    for role, wanted in permissions_of_roles().items():
        group, _made = groups.get_or_create(name=group_of(role))
        group.permissions.set([there[name] for name in sorted(wanted) if name in there])
