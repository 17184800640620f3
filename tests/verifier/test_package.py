"""The package stands alone: a service installs it without Signet, and without Django unless it uses that skin."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

import signet_verifier

PACKAGE = Path(signet_verifier.__file__).parent
ALLOWED = {"signet_verifier", "jwt", "cryptography"} | set(sys.stdlib_module_names)
SKINS = {"django.py": {"django", "asgiref"}, "drf.py": {"rest_framework"}}


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.spec("house.md, the direction of imports")
@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_a_module_imports_nothing_of_signet(path: Path) -> None:
    assert imported(path) - SKINS.get(path.name, set()) - ALLOWED == set()


@pytest.mark.spec("house.md, the direction of imports")
def test_only_the_skin_of_drf_needs_that_of_django() -> None:
    users = {
        path.name for path in PACKAGE.glob("*.py") if "from signet_verifier.django" in path.read_text(encoding="utf-8")
    }
    assert users == {"drf.py"}


@pytest.mark.spec("PEP 561")
def test_it_says_that_it_is_typed_and_what_it_needs() -> None:
    with (PACKAGE.parent / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    needed = [each.partition(">")[0] for each in project["project"]["dependencies"]]
    assert needed == ["PyJWT[crypto]", "cryptography"]
    assert (PACKAGE / "py.typed").is_file()
    assert project["tool"]["setuptools"]["package-data"] == {"signet_verifier": ["py.typed"]}
