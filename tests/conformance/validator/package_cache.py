"""Lay out FHIR packages as the validator's own cache, so that it needs no network.

US Core's declared dependencies are removed (some are published nowhere without a terminology licence, and one missing
stops the load), and the package that the validator always asks for is an empty stub. The cache belongs to one folder
under target/: a packages.ini of another version makes the validator wipe the folder it stands in.
"""

import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

# Of org.hl7.fhir 6.10; 6.7 wants 3.
CACHE_VERSION = 4
STUB = ("hl7.fhir.xver-extensions", "0.1.0")


def lay_out_packages(home: Path, archives: Iterable[Path]) -> None:
    """Unpack each package (.tgz) into HOME/.fhir/packages/<id>#<version>, without its dependencies."""
    root = home / ".fhir" / "packages"
    root.mkdir(parents=True, exist_ok=True)
    (root / "packages.ini").write_text(f"[cache]\nversion={CACHE_VERSION}\n\n[urls]\n\n[local]\n\n")
    for archive in archives:
        _unpack(root, archive)
    name, version = STUB
    package = {
        "name": name,
        "version": version,
        "type": "fhir.ig",
        "canonical": f"http://stub.invalid/{name}",
        "url": f"http://stub.invalid/{name}",
        "fhirVersions": ["4.0.1"],
        "dependencies": {},
    }
    folder = root / f"{name}#{version}" / "package"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps(package))
    (folder / ".index.json").write_text('{"index-version":2,"files":[]}')


def _unpack(root: Path, archive: Path) -> None:
    with tarfile.open(archive) as content:
        member = content.extractfile("package/package.json")
        if member is None:
            raise ValueError(f"{archive.name} is no FHIR package")
        package = json.load(member)
        folder = root / f"{package['name']}#{package['version']}"
        if folder.exists():
            return
        # Unpacked beside and renamed, so that an interrupted run leaves no half package behind.
        staging = root / f".{folder.name}"
        for entry in content:
            # By hand: Python before 3.11.4 has no safe extractall.
            path = staging / entry.name
            if not path.resolve().is_relative_to(staging.resolve()):
                raise ValueError(f"{archive.name} reaches outside its folder")
            if (body := content.extractfile(entry) if entry.isfile() else None) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body.read())
        package["dependencies"] = {}
        (staging / "package" / "package.json").write_text(json.dumps(package))
        staging.rename(folder)
