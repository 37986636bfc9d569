"""The project's own files agree with one another, and set-up fails with advice."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tomllib
import venv
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.requirements_of_machine import REPOSITORY


@pytest.fixture(scope="module")
def setup_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_script", REPOSITORY / ".ci" / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["test"]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def pinned() -> dict[str, list[Requirement]]:
    pins: dict[str, list[Requirement]] = {}
    for line in (REPOSITORY / "requirements.txt").read_text().splitlines():
        requirement = Requirement(line)
        pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


def test_every_dependency_is_pinned_within_its_range():
    pins = pinned()
    for name, requirement in declared().items():
        assert name in pins, f"{name} is not in requirements.txt; run: make pins"
        for pin in pins[name]:
            (exact,) = pin.specifier
            assert exact.operator == "=="
            assert requirement.specifier.contains(exact.version), f"{pin} is outside {requirement}"


def test_environment_yml_has_the_same_names_and_ranges():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    assert "python>=3.11" in environment["dependencies"]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    listed = [Requirement(line) for line in pip if not line.startswith("-")]
    assert {canonicalize_name(r.name): r for r in listed} == declared()


@pytest.mark.parametrize("name", ["requirements.txt", "environment.yml", "pyproject.toml"])
def test_no_registry_is_named(name):
    text = (REPOSITORY / name).read_text()
    assert not re.search(r"index-url|find-links|https?://", text)


def test_no_lock_file_is_tracked():
    listed = subprocess.run(
        ["git", "ls-files", "uv.lock"], cwd=REPOSITORY, capture_output=True, text=True
    )
    if listed.returncode == 0:
        assert listed.stdout == ""


def test_an_old_python_is_named(setup_script):
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, this is 3\.9"):
        setup_script.check_python((3, 9))
    setup_script.check_python((3, 11))


def test_a_full_disk_is_named(setup_script):
    with pytest.raises(SystemExit, match=r"9 GB of free disk space .* there are 1\.5 GB"):
        setup_script.check_disk(1.5e9)
    setup_script.check_disk(20e9)


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("ERROR: [Errno 28] No space left on device", "disk is full"),
        ("NewConnectionError: Temporary failure in name resolution", "Check the network"),
        ("error: Failed to fetch: `torch`", "Check the network"),
        ("ERROR: No matching distribution found for uv", "Check the network"),
        ("error: something else", "last words are above"),
    ],
)
def test_a_failed_installation_ends_with_advice(setup_script, output, advice):
    assert advice in setup_script.explain(output)


def test_a_failing_command_stops_with_its_output_shown(setup_script, capsys):
    with pytest.raises(SystemExit, match="the disk is full"):
        setup_script.run(["sh", "-c", "echo No space left on device; exit 1"])
    assert "No space left" in capsys.readouterr().out


def test_set_up_runs_again_when_the_pins_change(setup_script, tmp_path, monkeypatch):
    pins = tmp_path / "requirements.txt"
    pins.write_text("numpy==2.0\n")
    monkeypatch.setattr(setup_script, "PINS", str(pins))
    monkeypatch.setattr(setup_script, "READY", str(tmp_path / "ready"))
    assert not setup_script.is_ready()
    (tmp_path / "ready").write_text(setup_script.fingerprint())
    assert setup_script.is_ready()
    pins.write_text("numpy==2.1\n")
    assert not setup_script.is_ready()


def test_set_up_runs_again_in_a_folder_that_was_moved(setup_script, tmp_path, monkeypatch):
    monkeypatch.setattr(setup_script, "READY", str(tmp_path / "ready"))
    (tmp_path / "ready").write_text(setup_script.fingerprint())
    assert setup_script.is_ready()
    monkeypatch.setattr(setup_script, "ROOT", str(tmp_path))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    assert not setup_script.is_ready()


def test_an_environment_knows_the_folder_it_was_made_in(setup_script, tmp_path, monkeypatch):
    here, there = tmp_path / "here" / ".venv", tmp_path / "there" / ".venv"
    monkeypatch.setattr(setup_script, "VENV", str(here))
    assert not setup_script.made_here()
    venv.create(here, with_pip=False)
    assert setup_script.made_here()
    here.parent.rename(there.parent)
    monkeypatch.setattr(setup_script, "VENV", str(there))
    assert not setup_script.made_here()
