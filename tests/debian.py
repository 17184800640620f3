"""Debian's packages that only tests need: installed where that is allowed, asked for otherwise."""

from pathlib import Path

from idp_project.setup_environment import apt_get, say, succeeds


def install(package: str, file: Path) -> None:
    """Install a package, unless it is there or we may not.

    Arguments:
        package: its name.
        file: one of its files, which says whether it is there.
    """
    command = apt_get()
    for arguments in (["install", "--yes", "--no-install-recommends", package], ["update"]) * 2:
        if file.is_file() or not command:
            return
        say(" ".join([*command, *arguments]))
        succeeds(*command, *arguments)
