"""What people do again and again, and what `make pictures` does with them."""

from tests.browser.authenticators import AuthenticatorApp
from tests.browser.person import Person


def sign_in(person: Person, username: str, password: str, *, status: int = 200) -> None:
    """Fill in the sign-in page that is open, and press its button."""
    person.type(username=username, password=password)
    person.press("login-submit", status=status)


def sign_in_at_account(person: Person, username: str, password: str) -> None:
    """Sign in, without an application, and land on one's account."""
    person.open("/account")
    sign_in(person, username, password)
    person.is_at("/account")


def sign_out(person: Person) -> None:
    """Sign out, by the page that asks first."""
    person.open("/logout")
    person.press("logout-submit")
    person.reads("You are signed out")


def sign_in_as_operator(person: Person, username: str, password: str) -> None:
    """Sign in to the admin."""
    person.open("/admin/")
    person.type(username=username, password=password)
    person.press(person.page.get_by_role("button", name="Log in"))
    person.reads("Overview")


def enter_admin_for_the_first_time(person: Person, username: str, password: str) -> list[str]:
    """Sign in to an admin that asks for a second factor, and set up an app on the way.

    Returns:
        The recovery codes.
    """
    person.open("/admin/")
    person.type(username=username, password=password)
    person.press(person.page.get_by_role("button", name="Log in"))
    person.press("set-up-begin")
    app = AuthenticatorApp(person.page.locator("#seed").inner_text())
    person.type(code=app.code())
    person.press("set-up-confirm")
    codes = person.page.locator("#recovery-codes li").all_inner_texts()
    person.press("recovery-codes-kept")
    person.reads("Overview")
    return codes
