"""Writes a bill of materials (CycloneDX 1.6, JSON). Runs in .venv/audit; stdin has the image and its packages."""

import json
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL


def main() -> int:
    """Print the bill; 1 and the reason if it isn't valid."""
    given = json.load(sys.stdin)
    bom = Bom()
    name, _, tag = given["image"].rpartition(":")
    bom.metadata.component = Component(name=name, version=tag, type=ComponentType.CONTAINER, bom_ref=given["id"])
    for kind, packages in given["packages"].items():
        for package in packages:
            bom.components.add(_component(kind, *package))
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        print(wrong, file=sys.stderr)
        return 1
    print(text)
    return 0


def _component(kind: str, name: str, version: str, architecture: str = "") -> Component:
    """A package with the address that databases of vulnerabilities know it by (package-url)."""
    group, _, short = name.rpartition("/") if kind == "npm" else ("", "", name)
    namespace = "debian" if kind == "deb" else group
    url = PackageURL(kind, namespace or None, short, version, {"arch": architecture} if architecture else None)
    return Component(
        name=short, group=group or None, version=version, type=ComponentType.LIBRARY, purl=url, bom_ref=str(url)
    )


if __name__ == "__main__":
    sys.exit(main())
