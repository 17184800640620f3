"""One open session with a PKCS #11 token in each process, and what goes wrong with it in our words.

The library is told that one thread at a time calls (C_Initialize without arguments, PKCS #11 v2.40 §5.4), so
every call waits for its turn. A forked child starts anew, as the standard wants. A PIN that the token refused
is not tried again in this process, and never on the token's last attempt: tokens lock themselves.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from keys.errors import CustodianNotConfigured, CustodianRefused, CustodianUnreachable, KeysError

if TYPE_CHECKING:
    from pkcs11.types import Session

_TURN_SECONDS = 10
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Where the token is.

    Attributes:
        module: path of the maker's shared library.
        label: the token's.
        pin: of its user.
    """

    module: str
    label: str
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenToken:
    """A session that is logged in, with the keys that were found and looked at in it."""

    session: "Session"
    settings: TokenSettings
    keys: dict[tuple[str, str], Any] = field(default_factory=dict)


def library() -> ModuleType:
    """python-pkcs11, which is an extra.

    Raises:
        CustodianNotConfigured: it is not installed.
    """
    try:
        return import_module("pkcs11")
    except ImportError as error:
        raise CustodianNotConfigured(
            "The custodian 'pkcs11' needs a library: run pip install -r requirements-pkcs11.txt."
        ) from error


class TokenConnection:
    """The process's session; use `TOKEN`, since PKCS #11 knows one application a process."""

    def __init__(self) -> None:
        self._forget()
        self._refused: TokenSettings | None = None
        self._library: Any = None
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Start anew: a lock that another thread held while this process was forked is never given back."""
        self._lock = threading.Lock()
        self._open: OpenToken | None = None

    def perform(self, settings: TokenSettings, work: Callable[[OpenToken], _Result], *, again: bool = True) -> _Result:
        """Do some work with the token; once more with a new session where the first try failed.

        Arguments:
            settings: where the token is.
            work: what to do; it lets the library's errors through.
            again: whether the work may be done twice.

        Raises:
            CustodianUnreachable, CustodianRefused, CustodianNotConfigured: as said in the message.
        """
        failures = library().exceptions.PKCS11Error
        with self._turn():
            if again:
                with suppress(failures):
                    return work(self._session(settings))
                self._close()
            try:
                return work(self._session(settings))
            except failures as error:
                self._close()
                raise in_our_words(error) from error

    def close(self) -> None:
        """Log out and let go of the library; the next work opens a new session."""
        with self._turn():
            self._close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=_TURN_SECONDS):
            raise CustodianUnreachable(f"The PKCS #11 token has been busy for {_TURN_SECONDS} seconds.")
        try:
            yield
        finally:
            self._lock.release()

    def _session(self, settings: TokenSettings) -> OpenToken:
        if self._open is None or self._open.settings != settings:
            # Also a library that another process's memory left initialized, which a fork copied.
            self._close()
            self._open = self._opened(settings)
        return self._open

    def _opened(self, settings: TokenSettings) -> OpenToken:
        pkcs11 = library()
        if self._refused == settings:
            raise CustodianRefused(
                "The PKCS #11 token refused IDP_PKCS11_PIN, and it isn't tried again lest the token locks itself: "
                "set the right one and restart."
            )
        try:
            self._library = pkcs11.lib(settings.module)
            token = self._library.get_token(token_label=settings.label)
        except (pkcs11.NoSuchToken, pkcs11.TokenNotPresent) as error:
            raise CustodianUnreachable(f"There is no PKCS #11 token {settings.label!r} now.") from error
        except pkcs11.PKCS11Error as error:
            if type(error) is pkcs11.PKCS11Error and "loading" in str(error):
                raise CustodianNotConfigured(
                    f"IDP_PKCS11_MODULE is {settings.module!r}, which can't be loaded: name the shared library "
                    f"that the token's maker gives, such as /usr/lib/softhsm/libsofthsm2.so."
                ) from error
            raise in_our_words(error) from error
        if pkcs11.TokenFlag.USER_PIN_FINAL_TRY in token.flags:
            raise CustodianRefused(
                f"The PKCS #11 token {settings.label!r} leaves one attempt at its PIN, which is not taken from "
                f"you: log in by hand with the right one, then set IDP_PKCS11_PIN."
            )
        return OpenToken(self._logged_in(token, settings), settings)

    def _logged_in(self, token: Any, settings: TokenSettings) -> "Session":
        pkcs11 = library()
        try:
            session: Session = token.open(rw=True, user_pin=settings.pin)
        except (
            pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked, pkcs11.PinExpired,
            pkcs11.UserPinNotInitialized,
        ) as error:  # fmt: skip
            self._refused = settings
            raise CustodianRefused(
                f"The PKCS #11 token {settings.label!r} refuses IDP_PKCS11_PIN ({_kind(error)})."
            ) from error
        except pkcs11.PKCS11Error as error:
            raise in_our_words(error) from error
        return session

    def _close(self) -> None:
        """Finalize the library: sessions, logins and what a fork copied all end with it."""
        self._open = None
        with suppress(RuntimeError):  # the base of all errors of the library
            if self._library is not None and self._library.initialized:
                self._library.finalize()


def in_our_words(error: Exception) -> KeysError:
    """An error of the library as one of ours; it names the kind of error alone."""
    pkcs11 = library()
    refusals = (
        pkcs11.FunctionRejected, pkcs11.UserNotLoggedIn, pkcs11.TokenWriteProtected, pkcs11.SessionReadOnly,
        pkcs11.KeyTypeInconsistent, pkcs11.KeySizeRange, pkcs11.MechanismInvalid, pkcs11.MechanismParamInvalid,
        pkcs11.TemplateInconsistent, pkcs11.TemplateIncomplete, pkcs11.AttributeValueInvalid,
        pkcs11.AttributeTypeInvalid, pkcs11.MultipleObjectsReturned, pkcs11.FunctionNotSupported,
    )  # fmt: skip
    if isinstance(error, pkcs11.NoSuchKey):
        return CustodianRefused("The PKCS #11 token has no such key.")
    if isinstance(error, refusals):
        return CustodianRefused(f"The PKCS #11 token refuses ({_kind(error)}).")
    return CustodianUnreachable(f"The PKCS #11 token doesn't answer as it should ({_kind(error)}).")


def _kind(error: Exception) -> str:
    return type(error).__name__


TOKEN = TokenConnection()
