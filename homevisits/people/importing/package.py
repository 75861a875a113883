"""Read files of an export from a folder or zip, within size limits and never from outside it."""

import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from homevisits.people.importing.csv_reader import Finding

PURE = True

MAX_TOTAL_BYTES = 200 * 1024 * 1024
MAX_ZIP_MEMBERS = 1_000


@dataclass(frozen=True)
class Package:
    """Contents of the requested files by name, and the errors."""

    files: Mapping[str, bytes]
    errors: tuple[Finding, ...]


def open_package(path: Path, names: Collection[str], *, limit: int = MAX_TOTAL_BYTES) -> Package:
    """Read the `names` files of the folder or zip at `path`, at most `limit` bytes in total."""
    if path.is_dir():
        return _read_folder(path, names, limit)
    if not path.is_file():
        return Package({}, (Finding(path.name, None, None, "package_missing"),))
    if not zipfile.is_zipfile(path):
        return Package({}, (Finding(path.name, None, None, "package_not_zip"),))
    return _read_zip(path, names, limit)


def _read_folder(path: Path, names: Collection[str], limit: int) -> Package:
    files: dict[str, bytes] = {}
    home = path.resolve()
    for name in sorted(names):
        file = path / name
        if not file.is_file():
            continue
        if file.resolve().parent != home:
            return Package({}, (Finding(name, None, None, "package_unsafe_path"),))
        limit -= file.stat().st_size
        if limit < 0:
            return Package({}, (Finding(name, None, None, "package_too_large"),))
        files[name] = file.read_bytes()
    return Package(files, ())


def _read_zip(path: Path, names: Collection[str], limit: int) -> Package:
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_ZIP_MEMBERS:
                return Package({}, (Finding(path.name, None, None, "package_too_many"),))
            for member in members:
                place = PurePosixPath(member.filename.replace("\\", "/"))
                if place.is_absolute() or ".." in place.parts:
                    return Package({}, (Finding(member.filename, None, None, "package_unsafe_path"),))
                if member.is_dir() or place.name not in names or "__MACOSX" in place.parts:
                    continue
                if place.name in files:
                    return Package({}, (Finding(place.name, None, None, "package_file_twice"),))
                with archive.open(member) as stream:
                    # The size in a zip header may be false, so read one byte more than the limit and compare.
                    content = stream.read(limit + 1)
                limit -= len(content)
                if limit < 0:
                    return Package({}, (Finding(place.name, None, None, "package_too_large"),))
                files[place.name] = content
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError):
        # Broken, encrypted or compressed with an unsupported method.
        return Package({}, (Finding(path.name, None, None, "package_broken"),))
    return Package(files, ())
