"""What a user agent says it is, told in few words of ours."""

import pytest

from accounts.visit import program_and_system

pytestmark = pytest.mark.spec("issue 4, devices")
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", ("Firefox", "Linux")),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/140.0.0.0", ("Edge", "Windows")),
        (f"{MAC} {CHROME} Safari/537.36", ("Chrome", "macOS")),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15", ("Safari", "macOS")),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36", ("Chrome", "Android")),
        ("curl/8.14.1", ("", "")),
        ("", ("", "")),
        ("Firefox/140.0", ("Firefox", "")),
        ("<script>alert(1)</script>", ("", "")),
        ("x" * 600 + " Firefox/140.0", ("", "")),
    ],
)
def test_a_browser_and_its_system_are_told_and_nothing_is_repeated(agent: str, told: tuple[str, str]) -> None:
    assert program_and_system(agent) == told
