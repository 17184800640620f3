"""Make the virtual environment `.venv` and fill it with locked dependencies.

`make run`, `make test` and `make check` call it before anything is installed. So it needs nothing but the
standard library, and it runs on every Python from 3.7 on: old ones must be able to say that they are too old.

    python3 -I idp_project/setup_environment.py requirements-run.txt
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

OLDEST = (3, 11)
CANDIDATES = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"]
CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
VENV_PYTHON = str(VENV / "bin" / "python")


class SetupError(Exception):
    """The set-up can't go on; the message is one sentence."""


def main(lock_name: str) -> int:
    """Make the environment hold what a lock file lists; do nothing when it does already.

    Arguments:
        lock_name: name of the lock file in the checkout, such as `requirements-run.txt`.

    Returns:
        exit code: 0, or 1 after one sentence on standard error.
    """
    try:
        with (CHECKOUT / lock_name).open("rb") as locked:
            wait_for_other_setups(locked)
            set_up(lock_name, hashlib.sha256(locked.read()).hexdigest())
    except SetupError as error:
        sys.stderr.write(f"signet: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"signet: {error.filename}: {error.strerror}.\n")
        return 1
    return 0


def wait_for_other_setups(locked: IO[bytes]) -> None:
    """Hold a lock on the lock file, so that two set-ups never install into one environment at once."""
    try:
        fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another set-up in this checkout")
        fcntl.flock(locked, fcntl.LOCK_EX)


def set_up(lock_name: str, digest: str) -> None:
    """Make what is missing; the stamp with the digest is written last, so an interruption leaves none."""
    stamp = VENV / f".installed-{lock_name}"
    works = version_of(VENV_PYTHON) >= OLDEST and has_module(VENV_PYTHON, "pip")
    if works and stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
        return
    if not works:
        make_venv()
    install(lock_name)
    stamp.write_text(digest, encoding="ascii")


def make_venv() -> None:
    """Make the environment, or make it anew when an update of Python or an interruption broke it.

    Raises:
        SetupError: it can't be made, or something else has its name.
    """
    if VENV.is_dir() and any(VENV.iterdir()) and not (VENV / "pyvenv.cfg").is_file():
        raise SetupError(f"{VENV} is there and is no virtual environment: move it away.")
    python = find_python()
    if not has_module(python, "ensurepip"):
        install_ensurepip(python)
    say(f"making the virtual environment with {python}")
    if not succeeds(python, "-I", "-m", "venv", "--clear", str(VENV)):
        raise SetupError(f"{python} -m venv failed: the lines above say why.")


def find_python() -> str:
    """The Python to use: new enough, able to make environments if there is one, `python3` first.

    Raises:
        SetupError: none is new enough.
    """
    found = [sys.executable, *filter(None, map(shutil.which, CANDIDATES))]
    usable = [path for path in found if version_of(path) >= OLDEST]
    if not usable:
        raise SetupError(
            f"Signet needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and {sys.executable} is "
            f"{sys.version_info[0]}.{sys.version_info[1]}: install a newer one beside it, such as python3.12."
        )
    return next((path for path in usable if has_module(path, "ensurepip")), usable[0])


def install_ensurepip(python: str) -> None:
    """Debian and Ubuntu keep ensurepip in a package of its own: install it if we may, and show how.

    Raises:
        SetupError: we may not, or it did not work; the sentence names the command to run.
    """
    major, minor = version_of(python)
    stock = Path(python).resolve() == Path("/usr/bin/python3").resolve()
    package = "python3-venv" if stock else f"python{major}.{minor}-venv"
    if not shutil.which("apt-get"):
        raise SetupError(f"{python} lacks ensurepip: install your system's package for Python's venv.")
    advice = f"{python} can't make virtual environments: run apt-get install {package} as root, then this again."
    command = apt_get()
    if not command:
        raise SetupError(advice)
    for arguments in (["install", "--yes", "--no-install-recommends", package], ["update"]) * 2:
        if has_module(python, "ensurepip"):
            return
        say(" ".join([*command, *arguments]))
        succeeds(*command, *arguments)
    if not has_module(python, "ensurepip"):
        raise SetupError(advice)


def apt_get() -> list[str]:
    """How we may call apt-get: as root, or with a sudo that asks for nothing; empty where we may not."""
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    if not shutil.which("apt-get"):
        return []
    if os.geteuid() == 0:
        return command
    return ["sudo", "-n", *command] if shutil.which("sudo") and succeeds("sudo", "-n", "true", quiet=True) else []


def install(lock_name: str) -> None:
    """Install what is locked, each file checked against its hash.

    Raises:
        SetupError: pip failed; what it printed says why.
    """
    say(f"installing the locked dependencies ({lock_name}); the first time takes a minute or two")
    pip = [VENV_PYTHON, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if not succeeds(*pip, "--require-hashes", "-r", str(CHECKOUT / lock_name)):
        raise SetupError(f"pip could not install {lock_name}: the lines above say why.")


def version_of(python: str) -> tuple[int, int]:
    """Major and minor version of an interpreter; (0, 0) when it does not start."""
    ask = [python, "-I", "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        answer = subprocess.check_output(ask, stderr=subprocess.DEVNULL)  # noqa: S603 - finds out what it is
        major, minor = answer.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return 0, 0


def has_module(python: str, module: str) -> bool:
    """Whether an interpreter can import a module."""
    return succeeds(python, "-I", "-c", f"import {module}", quiet=True)


def succeeds(*command: str, quiet: bool = False) -> bool:
    """Run a command in our terminal, or without a word, and say whether it ended well."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.call(command, stdout=output, stderr=output) == 0  # noqa: S603 - commands written above


def say(line: str) -> None:
    """Show a step that takes long."""
    sys.stderr.write(f"→ {line} …\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
