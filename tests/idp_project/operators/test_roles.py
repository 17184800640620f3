"""The groups of the roles: made after every migrate, exactly by the table, and no other group is touched."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from accounts.vocabulary import ROLE_GROUPS, OperatorRole, group_of
from idp_project.roles import make_roles, permissions_of_roles

pytestmark = pytest.mark.spec("issue: roles, with Django's permissions")


def permissions(group: Group) -> set[str]:
    return {f"{each.content_type.app_label}.{each.codename}" for each in group.permissions.select_related()}


def test_migrate_makes_a_group_for_each_role_but_the_owners(db: None) -> None:
    Group.objects.all().delete()
    call_command("migrate", verbosity=0)
    assert set(Group.objects.values_list("name", flat=True)) == ROLE_GROUPS
    for role, wanted in permissions_of_roles().items():
        assert permissions(Group.objects.get(name=group_of(role))) == wanted


def test_a_group_of_a_role_has_what_the_table_says_however_it_was_widened_or_narrowed(db: None) -> None:
    group = Group.objects.get(name=group_of(OperatorRole.VIEWER))
    group.permissions.set([Permission.objects.get(codename="compromise_keypair")])
    make_roles()
    assert permissions(group) == permissions_of_roles()[OperatorRole.VIEWER]


def test_groups_that_owners_made_stay_as_they_are(db: None) -> None:
    made = {}
    for name in ("viewer", "operator", "owner", "signet viewer"):
        made[name] = Group.objects.create(name=name)
        made[name].permissions.set([Permission.objects.get(codename="delete_logentry")])
    make_roles()
    for group in made.values():
        assert permissions(group) == {"admin.delete_logentry"}


def test_making_them_again_writes_nothing(db: None, django_assert_max_num_queries: object) -> None:
    before = list(Group.permissions.through.objects.order_by("pk").values())
    make_roles()
    assert list(Group.permissions.through.objects.order_by("pk").values()) == before


def test_migrations_that_end_before_djangos_own_make_none() -> None:
    class NoModels:
        def get_model(self, *_names: str) -> None:
            raise LookupError

    make_roles(apps=NoModels())
