"""Start the provider in production: refuse what would break it, then become granian."""

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from idp_project.environment import Environment
from idp_project.server_command import server_command
from keys.checks import OVERDUE, no_step_is_overdue
from realms.errors import IssuerMoved
from realms.selectors import default_realm
from realms.services import check_issuer


class Command(BaseCommand):
    """`manage.py serve`: the production start."""

    help = "Check settings, database and issuer, then serve (PORT, IDP_BIND, IDP_WORKERS)."
    requires_system_checks = ()  # handle() runs them itself, for deployment and with the database

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Refuse with one message a problem, or turn into the server; never returns normally."""
        refuse_failed_checks()
        refuse_missing_migrations()
        refuse_failed_checks(databases=["default"])  # these may read tables, so only now
        refuse_other_issuer()
        self.tell_what_is_overdue()
        connections.close_all()
        command = server_command(Environment())
        os.execv(command[0], command)  # noqa: S606 - so that no parent stays behind

    def tell_what_is_overdue(self) -> None:
        """A late rotation is said, and no reason to stay down: the keys sign on, and cron may come back later."""
        for message in no_step_is_overdue(None):
            self.stderr.write(_sentence(message))


def refuse_failed_checks(*, databases: Sequence[str] | None = None) -> None:
    """Run the system checks, those for deployment included.

    Arguments:
        databases: run instead the checks that ask these databases.

    Raises:
        CommandError: some check found an error; one line each, with its id and what to change.
    """
    found = checks.run_checks(
        tags=[checks.Tags.database] if databases else None,
        include_deployment_checks=True,
        databases=databases,
    )
    serious = (message for message in found if message.is_serious() and not message.is_silenced())
    errors = [message for message in serious if message.id != OVERDUE]
    if errors:
        raise CommandError("\n".join(_sentence(message) for message in errors))


def _sentence(message: checks.CheckMessage) -> str:
    hint = f" {message.hint}" if message.hint else ""
    return f"{message.id or 'check'}: {message.msg}{hint}"


def refuse_missing_migrations() -> None:
    """The tables must be those that this version expects; a server never changes them by itself.

    Raises:
        CommandError: migrations have not been applied.
    """
    executor = MigrationExecutor(connections["default"])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise CommandError(f"{len(missing)} migrations are not applied: run manage.py migrate first.")


def refuse_other_issuer() -> None:
    """An issuer never changes once made: every token that is out names it.

    Raises:
        CommandError: there is no realm yet, or it was made for another issuer.
    """
    realm = default_realm()
    if realm is None:
        raise CommandError("There is no realm yet: run manage.py bootstrap first.")
    try:
        check_issuer(realm, configured=settings.IDP_ISSUER)
    except IssuerMoved as error:
        raise CommandError(str(error)) from error
