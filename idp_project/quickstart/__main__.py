"""`make run`: set up what is missing, serve, and tidy up on Ctrl-C."""

import io
import os
import shutil
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import OperationalError, connections

from idp_project.embedded_postgres import (
    EmbeddedPostgresError,
    claim_parents,
    find_place,
    running_cluster,
    set_aside_cluster,
)
from idp_project.environment import Environment
from idp_project.quickstart.data_folder import (
    DataFolder,
    QuickstartError,
    choose_port,
    first_values,
    follow_dead_keys,
    follow_move,
    uses_bundled_database,
)
from idp_project.quickstart.pasting import Pasting
from idp_project.quickstart.web_server import refuse_taken_port, serve
from idp_project.server_command import CHECKOUT, server_command, usable_cores

HOST = "localhost"
SECONDS_TO_STOP = 2
MOST_WORKERS = 4  # each keeps connections open, and the bundled database has 200


def main() -> int:
    """Run Signet on this machine, for trying it out.

    Returns:
        exit code: 0 when a signal stopped the server, 130 when it came earlier, 1 after one sentence.
    """
    try:
        with _ended_by_signals():
            run()
    except KeyboardInterrupt:
        write("Interrupted. The next run goes on from here.\n")
        return 128 + signal.SIGINT
    except (QuickstartError, EmbeddedPostgresError, CommandError, ImproperlyConfigured) as error:
        sys.stderr.write(f"signet: {error}\n")
        return 1
    except OperationalError as error:
        sys.stderr.write(f"signet: the database can't be reached: {str(error).splitlines()[0]}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"signet: {error.filename or 'the system'}: {error.strerror}.\n")
        return 1
    return 0


def run() -> None:
    """Everything between the first look at the data folder and the end of the server.

    Raises:
        QuickstartError, EmbeddedPostgresError, CommandError: it can't go on; one sentence says why.
        KeyboardInterrupt: a signal came before the server answered.
    """
    folder = DataFolder(Path(os.environ.get("IDP_DATA_DIR") or CHECKOUT / ".data").absolute())
    stored = folder.stored()
    port = choose_port(os.environ, stored, folder.path)
    bundled = uses_bundled_database(os.environ, stored, folder.path)
    bind = os.environ.get("IDP_BIND") or "127.0.0.1"
    claim_parents(folder.path)
    with folder.lock():
        refuse_taken_port(bind, port)
        take_over(env_file_values(folder, port=port, bundled=bundled), folder)
        with database(folder) if bundled else nullcontext():
            make_rows(folder)
            say("starting the web server")
            command = server_command(Environment(), log_level="error", seconds_to_stop=SECONDS_TO_STOP)
            serve(command, host=bind, port=port, announce=lambda: write(banner(folder, port)))
            say("stopping")
    write(f"Stopped. The data stays in {folder.path}.\n")


def env_file_values(folder: DataFolder, *, port: int, bundled: bool) -> dict[str, str]:
    """What the env file holds; written the first time, and when the database moved with its folder."""
    stored = folder.stored()
    if not stored:
        aside = set_aside_cluster(folder.postgres) if bundled else None
        if aside:
            say(f"a database from before {folder.env_file} was removed is kept in {aside}; making a new one")
        url = find_place(folder.postgres).url if bundled else os.environ["DATABASE_URL"]
        stored = first_values(port=port, database_url=url, bundled=bundled)
        folder.write_env_file(stored)
    elif bundled:
        stored = follow_move(stored, find_place(folder.postgres), folder)
    return follow_dead_keys(stored, folder)


def take_over(values: dict[str, str], folder: DataFolder) -> None:
    """Make this process and the server see the env file, even where the shell says otherwise."""
    for name in ("IDP_SECRET_KEY_FILE", "IDP_MASTER_SECRETS_FILE"):
        os.environ.pop(name, None)
    os.environ.update(values)
    os.environ["IDP_ENV_FILE"] = str(folder.env_file)
    os.environ["DJANGO_SETTINGS_MODULE"] = "idp_project.settings"
    if "IDP_EMAIL_URL" not in os.environ and "IDP_EMAIL_URL_FILE" not in os.environ:
        folder.mail.mkdir(mode=0o700, exist_ok=True)  # with links that let people in
        os.environ["IDP_EMAIL_URL"] = folder.mail_url
    os.environ.setdefault("IDP_WORKERS", str(min(usable_cores(), MOST_WORKERS)))
    os.environ.setdefault("IDP_LOG_LEVEL", "WARNING")
    os.environ.setdefault("IDP_ADMIN_SECOND_FACTOR", "false")  # a file from before doesn't say so


def database(folder: DataFolder) -> AbstractContextManager[str]:
    """The bundled PostgreSQL, for as long as the block lasts."""
    say("starting PostgreSQL")
    return running_cluster(folder.postgres, progress=say)


def make_rows(folder: DataFolder) -> None:
    """Make what is missing in the database, and show each credential when it is made."""
    django.setup()
    from idp_project.quickstart import first_rows  # noqa: PLC0415 - imports models, which need django.setup()

    try:
        first_rows.make_tables_and_keys(say)
        for made in first_rows.make_people_and_client(folder.demo_login, HOST):
            write(f"  {made.kind:<9} {made.name:<9} {made.secret}   (shown this once)\n")
    finally:
        connections.close_all()


def banner(folder: DataFolder, port: int) -> str:
    """Where it is, and what to paste.

    Arguments:
        folder: where the data lives.
        port: where it serves.
    """
    base = f"http://{HOST}:{port}"
    pasting = Pasting(
        base=base,
        host=HOST,
        login=folder.demo_login,
        python=Path(sys.executable),
        manage=CHECKOUT / "manage.py",
        env_file=folder.env_file,
        curl=shutil.which("curl") is not None,
        proxy="http" in urllib.request.getproxies() and not urllib.request.proxy_bypass(HOST),
    )
    is_written = os.environ.get("IDP_EMAIL_URL") == folder.mail_url
    lines = [
        "",
        f"Signet serves {base} until Ctrl-C.",
        f"  Admin     {base}/admin/   (sign in as operator)",
        f"  Data      {folder.path}",
        *([f"  Mail      {folder.mail}   (written there, not sent)"] if is_written else []),
        "",
        "Paste into another terminal:",
    ]
    for title, command in pasting.commands():
        lines += ["", f"# {title}", command]
    return "\n".join([*lines, "", ""])


def say(line: str) -> None:
    """Show a step."""
    write(f"→ {line} …\n")


def write(text: str) -> None:
    """Write to the terminal at once, whatever its encoding can't show."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """The first signal that asks for the end raises `KeyboardInterrupt`; while we tidy up, more change nothing."""
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(_signum: int, _frame: FrameType | None) -> None:
        for signum in watched:
            signal.signal(signum, signal.SIG_IGN)
        raise KeyboardInterrupt

    for signum in watched:
        if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:  # nohup stays in force
            signal.signal(signum, end)
    yield


if __name__ == "__main__":
    sys.exit(main())
