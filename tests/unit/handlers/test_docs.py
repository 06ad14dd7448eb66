"""What the documentation of handler scripts shows works: scripts run, configurations load, commands do what is said."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli

from bridge.api import (
    AuthorizeRequest,
    BootNotificationRequest,
    DataTransferRequest,
    StartTransactionRequest,
    StopTransactionRequest,
)
from bridge.config import load_config
from bridge.project import Project
from bridge.scripting.loading import load_script
from bridge.store import Store
from tests.unit.cli.helpers import ocpp_bridge
from tests.unit.scripting.helpers import inline
from tests.unit.station.rig import MODELS

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs" / "handlers.md", *sorted((ROOT / "docs" / "handlers").glob("*.md"))]


def blocks(language: str) -> list[Any]:
    """The blocks of a language in all pages, with page and line for their ids."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.name}:{line}"))
    assert found
    return found


@pytest.mark.parametrize("script", blocks("python"))
async def test_every_script_loads_and_answers_every_request(
    script, tmp_path, tree, known, station, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree.add_connector(known.points, "Connector1", MODELS["1.6"].connector.layout)
    path = tmp_path / "site.py"
    path.write_text(script, "utf-8")
    runner = inline([path], timeout=30)
    await runner.start()
    common: dict[str, Any] = {"station": station, "version": "1.6", "payload": {}}
    for method, request in {
        "boot_notification": BootNotificationRequest(**common, vendor="V", model="M"),
        "authorize": AuthorizeRequest(**common, id_token="VISITOR1"),
        "start_transaction": StartTransactionRequest(**common, connector="Connector1", id_token="A"),
        "stop_transaction": StopTransactionRequest(**common, transaction_id="1", meter_stop=1.0),
        "data_transfer": DataTransferRequest(**common, vendor_id="com.acme", message_id="please-reset"),
    }.items():
        await runner.ask(method, request)
    await runner.stop()
    assert (runner.errors, runner.last_error) == (0, "")


@pytest.mark.parametrize("script", [one for one in blocks("python") if "def test_" in one.values[0]])
def test_a_shown_test_passes(script, tmp_path) -> None:
    path = tmp_path / "site.py"
    path.write_text(script, "utf-8")
    module = sys.modules[type(load_script(path).handler).__module__]
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    for test in tests:
        test()


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_configuration_is_taken_and_so_are_its_settings(text, project: Project, monkeypatch) -> None:
    monkeypatch.setenv("TOKENS_KEY", "secret")
    visitors = next(one.values[0] for one in blocks("python") if "stations: list[str]" in one.values[0])
    (project.folder / "handlers" / "visitors.py").write_text(visitors, "utf-8")
    (project.folder / "config.toml").write_text(text, "utf-8")
    load_config(project)
    ended = ocpp_bridge("check", "--project", project.folder)
    assert ended.code == 0
    warned = [line for line in ended.err.splitlines() if 'isolation = "inline"' not in text or "isolation" not in line]
    assert warned == []


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_configuration_says_which_scripts_its_settings_are_for(text) -> None:
    handlers = tomli.loads(text)["handlers"]
    assert {f"{name}.py" for name in handlers.get("settings", {})} <= {
        *handlers.get("scripts", []),
        *(
            script
            for table in ("area", "station")
            for one in tomli.loads(text).get(table, [])
            for script in one.get("scripts", [])
        ),
    }


@pytest.mark.parametrize("text", blocks("sh"))
def test_every_command_works(text, project: Project, monkeypatch) -> None:
    monkeypatch.chdir(project.folder)
    with Store.edit(project.folder / "bridge.db"):
        pass  # as if the bridge had run
    for line in text.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "ocpp-bridge"
        *arguments, into = [*arguments, None] if ">" not in arguments else [*arguments[:-2], arguments[-1]]
        ended = ocpp_bridge(*arguments)
        assert ended.code == 0, (line, ended.err)
        if into:
            Path(into).write_text(ended.out, "utf-8")


@pytest.mark.parametrize("text", blocks("csv"))
def test_every_file_of_tokens_is_imported(text, project: Project) -> None:
    ended = ocpp_bridge("tokens", "import", "-", "--project", project.folder, stdin=text)
    assert ended.out == f"stdin: {text.count(chr(10)) - 1} tokens imported\n"


def test_every_shipped_script_has_a_page_and_every_page_a_script() -> None:
    scripts = {path.stem for path in (ROOT / "handlers").glob("*.py")}
    assert {path.stem for path in PAGES[1:]} == scripts
    assert all(f"handlers/{name}.md" in PAGES[0].read_text("utf-8") for name in scripts)


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_every_setting_of_a_shipped_script_is_on_its_page(page: Path) -> None:
    source = (ROOT / "handlers" / f"{page.stem}.py").read_text("utf-8")
    classes = re.findall(r"^class (?:Settings|Rule)\(.*?\):\n(.*?)^(?=class |def )", source, re.DOTALL | re.MULTILINE)
    settings = {name for body in classes for name in re.findall(r"^    (\w+): ", body, re.MULTILINE)} - {"rules"}
    text = page.read_text("utf-8")
    assert [name for name in sorted(settings) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links_to_other_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
