"""What is in the offline bundle, as CycloneDX JSON (https://cyclonedx.org/docs/1.6/json/)."""

from __future__ import annotations

import datetime as dt
import email.parser
import hashlib
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import Message
    from pathlib import Path


def sbom(project: Path, dependencies: Sequence[Path], now: int) -> dict[str, Any]:
    """Return the bill of materials of the wheel *project* and of the wheels of its *dependencies*.

    A dependency with several wheels, one for each Python, is one component; the hash of each wheel is in its
    external references. *now* is in seconds since 1970.
    """
    wheels: dict[str, list[Path]] = {}
    for wheel in sorted(dependencies):
        wheels.setdefault(_reference(_metadata(wheel)), []).append(wheel)
    root = _metadata(project)
    components = [_component(files) for files in wheels.values()]
    known = {reference.removeprefix("pkg:pypi/").split("@")[0]: reference for reference in wheels}
    graph = [_requires(root, known), *(_requires(_metadata(files[0]), known) for files in wheels.values())]
    digests = "".join(
        hashlib.sha256(file.read_bytes()).hexdigest() for file in (project, *sorted(dependencies))
    )
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digests)}",
        "version": 1,
        "metadata": {
            "timestamp": dt.datetime.fromtimestamp(now, dt.UTC).isoformat(),
            "component": _component([project]) | {"type": "application"},
        },
        "components": components,
        "dependencies": graph,
    }


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(archive.read(name).decode("utf-8"))


def _reference(metadata: Message) -> str:
    return f"pkg:pypi/{canonicalize_name(metadata['Name'])}@{metadata['Version']}"


def _component(files: list[Path]) -> dict[str, Any]:
    metadata = _metadata(files[0])
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _reference(metadata),
        "name": metadata["Name"],
        "version": metadata["Version"],
        "purl": _reference(metadata),
    }
    if expression := metadata["License-Expression"]:
        component["licenses"] = [{"expression": expression}]
    elif text := (metadata["License"] or "").strip().splitlines():
        component["licenses"] = [{"license": {"name": text[0]}}]
    component["externalReferences"] = [
        {
            "type": "distribution",
            "url": f"wheels/{file.name}",
            "hashes": [{"alg": "SHA-256", "content": _sha256(file)}],
        }
        for file in files
    ]
    return component


def _requires(metadata: Message, known: dict[str, str]) -> dict[str, Any]:
    """Return the edge of the graph from one distribution to those in the bundle that it requires."""
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    names = {
        canonicalize_name(requirement.name)
        for requirement in requirements
        if "extra" not in str(requirement.marker or "")
    }
    return {"ref": _reference(metadata), "dependsOn": sorted(known[name] for name in names & known.keys())}
