"""The documentation names every setting, command, check, error and event, and nothing that isn't there."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings

from audit.vocabulary import EventName

ROOT = Path(settings.BASE_DIR)
APPS = ("realms", "audit", "keys", "accounts", "tokens", "idp_project")
CONFIGURATION = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
NOT_OURS = {".venv", ".data", "node_modules"}
MARKDOWN = sorted(path for path in ROOT.glob("**/*.md") if not NOT_OURS & set(path.parts))


def _sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for app in APPS for path in (ROOT / app).rglob("*.py"))


def _settings() -> set[str]:
    """Every environment variable that is read somewhere."""
    return set(re.findall(r'"((?:IDP_[A-Z_]+[A-Z])|DATABASE_URL|PORT)"', _sources()))


def _commands() -> set[str]:
    found = {path.stem for app in APPS for path in (ROOT / app / "management" / "commands").glob("*.py")}
    return {name for name in found if not name.startswith("_")}


def _errors() -> set[str]:
    """The names of all exception classes in the apps' errors modules."""
    found = set()
    for app in APPS:
        if (ROOT / app / "errors.py").is_file():
            module = import_module(f"{app}.errors")
            found |= {
                name
                for name, value in vars(module).items()
                if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == module.__name__
            }
    return found


@pytest.mark.spec("house.md, docs")
@pytest.mark.parametrize("name", sorted(_settings()))
def test_every_setting_is_described(name: str) -> None:
    assert f"`{name}`" in CONFIGURATION


@pytest.mark.spec("house.md, docs")
def test_no_setting_is_described_that_nobody_reads() -> None:
    described = set(re.findall(r"`((?:IDP_[A-Z_]+[A-Z])|DATABASE_URL|PORT)`", CONFIGURATION))
    files = {f"{name}_FILE" for name in ("IDP_SECRET_KEY", "IDP_MASTER_SECRETS", "IDP_EMAIL_URL", "IDP_METRICS_TOKEN")}
    assert described - files <= _settings()


@pytest.mark.spec("house.md, docs")
def test_the_example_has_every_setting_that_is_described() -> None:
    described = set(re.findall(r"`((?:IDP_[A-Z_]+[A-Z])|DATABASE_URL|PORT)`", CONFIGURATION))
    offered = re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(offered) == sorted(described - {"IDP_ENV_FILE", "IDP_BUNDLED_DATABASE"}), "one names the file itself"


@pytest.mark.spec("house.md, docs")
@pytest.mark.parametrize("name", sorted(_commands()))
def test_every_command_is_described(name: str) -> None:
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.spec("house.md, docs")
@pytest.mark.parametrize("identity", sorted(set(re.findall(r'id="((?:keys|signet)\.[EW]\d{3})"', _sources()))))
def test_every_check_is_described(identity: str) -> None:
    assert f"| `{identity}` |" in REFERENCE


@pytest.mark.spec("house.md, docs")
@pytest.mark.parametrize("name", sorted(_errors()))
def test_every_error_is_described(name: str) -> None:
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.spec("house.md, docs")
@pytest.mark.parametrize("name", sorted(EventName))
def test_every_security_event_is_described(name: str) -> None:
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.spec("house.md, docs")
@pytest.mark.parametrize("page", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith(("http:", "https:", "mailto:"))]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.spec("house.md, docs")
@pytest.mark.parametrize("picture", sorted((ROOT / "docs/pictures").iterdir()), ids=lambda path: str(path.name))
def test_every_picture_is_shown_somewhere(picture: Path) -> None:
    assert any(f"pictures/{picture.name})" in page.read_text(encoding="utf-8") for page in MARKDOWN)


@pytest.mark.spec("house.md, docs")
def test_the_clients_that_interoperate_are_the_locked_ones() -> None:
    page = (ROOT / "docs/interoperability.md").read_text(encoding="utf-8")
    python = (ROOT / "requirements-interop.txt").read_text(encoding="utf-8")
    node = json.loads((ROOT / "tests/interop/node/package-lock.json").read_text(encoding="utf-8"))["packages"]
    named = re.findall(r"(?m)^\| \[([\w-]+).*?\| ([\d.]+) \| (PyPI|npm) \|", page)
    assert len(named) == 7
    for name, version, origin in named:
        if origin == "PyPI":
            assert f"\n{name.lower()}=={version} " in python
        else:
            assert node[f"node_modules/{name}"]["version"] == version
