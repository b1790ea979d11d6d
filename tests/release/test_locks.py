"""The locks name each dependency that pyproject.toml does, by version and hash, and no registry."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pathlib import Path

_LOCKED = re.compile(
    r"^([a-z0-9-]+)==([^ ]+).*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def locked(text: str) -> dict[str, str]:
    return {name: version for name, version, _ in _LOCKED.findall(text)}


@pytest.fixture
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_has_a_hash_for_each_package_and_no_address(root: Path, lock: str) -> None:
    text = (root / lock).read_text(encoding="utf-8")
    named = re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)
    assert named == list(locked(text))
    assert re.findall(r"://|^-|/", text, re.MULTILINE) == []


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_fulfils_what_the_project_requires(root: Path, project: dict[str, Any], lock: str) -> None:
    required = project["project"]["dependencies"]
    if lock == "requirements-dev.txt":
        required = [
            *required,
            *project["dependency-groups"]["dev"],
            *project["project"]["optional-dependencies"]["nats"],
            *project["project"]["optional-dependencies"]["serve"],
        ]
    versions = locked((root / lock).read_text(encoding="utf-8"))
    requirements = [
        Requirement(line) for line in required if line != "pytest-softhsm"
    ]  # which is in this repository
    unmet = [
        str(requirement)
        for requirement in requirements
        if versions.get(canonicalize_name(requirement.name), "") not in requirement.specifier
    ]
    assert unmet == []


def test_dependabot_proposes_newer_versions_for_the_locks_in_one_change(root: Path) -> None:
    updates = YAML(typ="safe").load(root / ".github/dependabot.yml")["updates"]
    [python] = [update for update in updates if update["package-ecosystem"] == "pip"]
    assert (python["directory"], python["groups"]) == ("/", {"python": {"patterns": ["*"]}})
    locks = sorted(path.name for path in root.glob("requirements*"))
    assert locks == ["requirements-dev.txt", "requirements.txt"], "it reads no other names"


def test_the_bundle_and_the_development_environment_have_the_same_versions(root: Path) -> None:
    core = locked((root / "requirements.txt").read_text(encoding="utf-8"))
    assert core.items() <= locked((root / "requirements-dev.txt").read_text(encoding="utf-8")).items()
