"""The workflows fit GitHub's schema; actions are pinned, rights are few, values of others reach no shell."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

_GITHUB = Path(__file__).parents[2] / ".github"
WORKFLOWS = sorted(path.name for path in (_GITHUB / "workflows").glob("*.yml"))


def jobs(name: str) -> dict[str, Any]:
    workflow = YAML(typ="safe").load(_GITHUB / "workflows" / name)
    found = workflow["jobs"]
    assert isinstance(found, dict)
    return found


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in jobs(name).values() for step in job.get("steps", [])]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", [f"workflows/{name}" for name in WORKFLOWS]),
        ("vendor.dependabot", ["dependabot.yml"]),
    ],
)
def test_files_for_github_fit_its_schema(schema: str, files: list[str]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, cwd=_GITHUB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit_with_their_version_beside(name: str) -> None:
    text = (_GITHUB / "workflows" / name).read_text(encoding="utf-8")
    used = re.findall(r"uses: (?!\./)(.*)", text)
    assert [
        line for line in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    ] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_reads_unless_a_job_names_more(name: str) -> None:
    workflow = YAML(typ="safe").load(_GITHUB / "workflows" / name)
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_expression_is_put_into_a_script(name: str) -> None:
    scripts = [step["run"] for step in steps(name) if "run" in step]
    assert [script for script in scripts if "${{" in script] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_job_ends_and_leaves_no_credentials_behind(name: str) -> None:
    own = [job for job in jobs(name).values() if "uses" not in job]
    assert all("timeout-minutes" in job for job in own)
    checkouts = [step for step in steps(name) if "actions/checkout@" in step.get("uses", "")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_a_workflow_makes_is_in_the_makefile(name: str) -> None:
    makefile = (_GITHUB.parent / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(
        r"^make ([a-z-]+)", "\n".join(step.get("run", "") for step in steps(name)), re.MULTILINE
    )
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_a_job_has_no_more_rights_than_it_uses() -> None:
    rights = {
        f"{name} {job}": body["permissions"]
        for name in WORKFLOWS
        for job, body in jobs(name).items()
        if "permissions" in body
    }
    assert rights == {
        "release.yml build": {"contents": "read", "id-token": "write", "attestations": "write"},  # provenance
        "release.yml publish": {"id-token": "write"},  # for the registry
        "release.yml attach": {"contents": "write"},  # to a release on GitHub
    }


def test_it_is_tested_and_bundled_with_each_python_that_is_promised() -> None:
    project = tomllib.loads((_GITHUB.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(
        r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE
    )
    assert project["requires-python"] == f">={named[0]}"
    assert jobs("test.yml")["pythons"]["strategy"]["matrix"] == {"python": named}
    [bundle] = [step["run"] for step in steps("release.yml") if "make bundle" in step.get("run", "")]
    assert bundle == f'make bundle PYTHONS="{" ".join(named)}"'
    page = (_GITHUB.parent / "docs/howto/offline-machine.md").read_text(encoding="utf-8")
    assert f"A release has such a file for {named[0]} to {named[-1]} (Linux, x86-64)" in page


def test_a_change_from_a_fork_runs_without_rights_of_the_repository() -> None:
    workflows = [YAML(typ="safe").load(_GITHUB / "workflows" / name) for name in WORKFLOWS]
    triggers = {trigger for workflow in workflows for trigger in workflow["on"]}
    assert triggers == {"push", "pull_request", "workflow_call", "workflow_dispatch", "schedule"}


def test_what_is_published_was_tested_and_confirmed() -> None:
    release = jobs("release.yml")
    assert release["publish"]["needs"] == "build"
    assert release["build"]["needs"] == "test"
    assert release["publish"]["environment"] == "pypi"
