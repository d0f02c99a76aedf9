# SPDX-License-Identifier: LGPL-2.1-or-later
"""meson-python, whose wheels say which Pythons they are for.

Its releases disagree about the name of a wheel with an extension of the stable ABI: some take the
ABI's tag, some that of the building Python, and what tells the newer ones the older do not know.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

# pip looks at requires-python only when all is built; meson.build has the same number.
if sys.version_info < (3, 9):
    sys.exit("shmring needs Python 3.9 or newer, this is %d.%d" % sys.version_info[:2])

import mesonpy

# What the extension is compiled for: Py_LIMITED_API in python-bindings/.
STABLE = "cp311-abi3"

build_sdist = mesonpy.build_sdist
get_requires_for_build_sdist = mesonpy.get_requires_for_build_sdist
get_requires_for_build_wheel = mesonpy.get_requires_for_build_wheel


def has_stable_abi(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return any(name.endswith(".abi3.so") for name in archive.namelist())


def with_tag(text, tag):
    lines = [f"Tag: {tag}" if line.startswith("Tag: ") else line for line in text.splitlines()]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def record_line(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}"


def retag(old, new, tag):
    """Copies a wheel, with another tag in its WHEEL file and that file's new sum in RECORD."""
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as target:
        members = {info: source.read(info) for info in source.infolist()}
        (about,) = (info for info in members if info.filename.endswith(".dist-info/WHEEL"))
        members[about] = with_tag(members[about].decode(), tag).encode()
        (record,) = (info for info in members if info.filename.endswith(".dist-info/RECORD"))
        lines = [record_line(about.filename, members[about])
                 if line.startswith(f"{about.filename},") else line
                 for line in members[record].decode().splitlines()]
        members[record] = ("\n".join(lines) + "\n").encode()
        for info, data in members.items():
            target.writestr(info, data)


def build_wheel(directory, config_settings=None, metadata_directory=None):
    made = mesonpy.build_wheel(directory, config_settings, metadata_directory)
    wheel = Path(directory, made)
    project, version, _, _, platform = wheel.stem.split("-")
    tag = f"{STABLE}-{platform}"
    right = wheel.with_name(f"{project}-{version}-{tag}.whl")
    if has_stable_abi(wheel) and wheel != right:
        retag(wheel, right, tag)
        wheel.unlink()
        wheel = right
    return wheel.name
