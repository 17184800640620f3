"""Child processes that outlive neither their parent nor a Ctrl-C that was meant for it."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TypedDict

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Account:
    """A system account, by its name and numbers."""

    name: str
    uid: int
    gid: int


class Rights(TypedDict):
    """The keyword arguments of subprocess that say whose rights a child gets."""

    user: int | None
    group: int | None
    extra_groups: list[int | str] | None


def rights_of(account: Account | None) -> Rights:
    """The rights of an account, with none of our own groups.

    Arguments:
        account: whose; None keeps ours.

    Returns:
        keyword arguments for `subprocess.Popen` and `subprocess.run`.
    """
    if account is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def start_child(
    command: Sequence[str | os.PathLike[str]],
    *,
    when_parent_dies: signal.Signals,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    typed: IO[bytes] | None = None,
    output: IO[bytes] | None = None,
    folder: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own: the terminal's signals reach us, and we decide what it gets.

    Arguments:
        command: program and arguments.
        when_parent_dies: what the kernel sends the child when this process ends without stopping it, even
            by SIGKILL (Linux; elsewhere the next start tidies up).
        account: whose rights it gets; None keeps ours.
        environment: its environment; None hands on ours.
        typed: what it reads, if its output goes elsewhere than to our terminal.
        output: where its output goes; None shares our terminal in both directions.
        folder: its working folder; None keeps ours.

    Returns:
        the running child.
    """
    return subprocess.Popen(  # noqa: S603 - callers name the program, never a request
        list(command),
        stdin=None if output is None else typed or subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        env=environment,
        cwd=folder,
        start_new_session=True,
        preexec_fn=_ask_for_signal(when_parent_dies),  # noqa: PLW1509 - one system call, no lock, no memory
        **rights_of(account),
    )


def _ask_for_signal(signum: signal.Signals) -> Callable[[], None] | None:
    """The step between fork and exec; everything it needs is loaded before the fork."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    number = int(signum)

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)

    return ask
