"""The workflows fit GitHub's schema; actions are pinned, rights are few, values of others reach no shell."""

from __future__ import annotations

import re
import subprocess
import sys
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


def test_only_the_job_that_publishes_may_and_it_needs_the_tests() -> None:
    release = jobs("release.yml")
    may = {name for name, job in release.items() if "id-token" in job.get("permissions", {})}
    assert may == {"build", "publish"}  # the first for provenance, the second for the registry
    assert release["publish"]["needs"] == "build"
    assert release["build"]["needs"] == "test"
    assert release["publish"]["environment"] == "pypi"
