"""The reference client's image: built from the package's own files at first use, cached by what is in it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docker import errors

from pytest_wa_settings.testbed.box import FAULTS, EngineError, explained, told
from pytest_wa_settings.testbed.engine import Engine
from pytest_wa_settings.testbed.environment import child_environment
from pytest_wa_settings.testbed.scratch import Scratch

BASE = "python:3.12-slim"
REPOSITORY = "pytest-wa-settings-reference"
IMAGE = "pytest-wa-settings.image"
"""The label that the Dockerfile gives to an image."""
_PACKAGE = Path(__file__).resolve().parent.parent
_REFERENCE = "pytest_wa_settings/reference"
_DOWNLOAD_WITHIN = 300.0
# pip looks at this machine's Python where a requirement asks for one, not at the image's.
_MAYBE = ("typing_extensions",)
_PROBE = (
    "import json, platform, sys; "
    "print(json.dumps([sys.version_info[0], sys.version_info[1], platform.machine(), platform.libc_ver()]))"
)


def need_image(engine: Engine, name: str) -> str:
    """The image of that name, pulled if it is not there; raises EngineError."""
    try:
        engine.client.images.get(name)
    except errors.ImageNotFound:
        try:
            engine.client.images.pull(*_repository_and_tag(name))
        except FAULTS as error:
            raise EngineError(
                f"the image {name} is not there and cannot be pulled ({told(error)})",
                "check its name and the network, or load it with `docker load`",
            ) from None
    except FAULTS as error:
        raise explained(error, f"look for the image {name}") from None
    return name


def built_image(engine: Engine, base: str | None, say: Callable[[str], None]) -> str:
    """The reference's image on `base`, built unless it was before; raises EngineError."""
    base = base or os.environ.get("WA_BASE_IMAGE") or BASE
    files = _files()
    tag = f"{REPOSITORY}:{_digest(base, files)}"
    with _one_builder(tag):
        try:
            engine.client.images.get(tag)
        except errors.ImageNotFound:
            say(f"building the reference client's image on {base}, once")
            _build(engine, base, files, tag)
        except FAULTS as error:
            raise explained(error, "look for the reference client's image") from None
    return tag


def remove_images(engine: Engine) -> int:
    """Removes every image that was built here; returns how many."""
    try:
        return _remove(engine, {"label": IMAGE})
    except FAULTS as error:
        raise explained(error, "remove images") from None


def _remove(engine: Engine, filters: Mapping[str, object]) -> int:
    found = engine.client.api.images(filters=filters)
    for one in found:
        engine.client.api.remove_image(one["Id"], force=True)
    return len(found)


def _files() -> dict[str, bytes]:
    """The build context by path: the reference alone, as it is installed."""
    folder = _PACKAGE / "reference"
    inside = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    found = {f"{_REFERENCE}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in inside}
    return {"pytest_wa_settings/__init__.py": (_PACKAGE / "__init__.py").read_bytes(), **found}


def _digest(base: str, files: Mapping[str, bytes]) -> str:
    told = hashlib.sha256(base.encode())
    for path, content in sorted(files.items()):
        told.update(f"\0{path}\0{len(content)}\0".encode() + content)
    return told.hexdigest()[:16]


@contextmanager
def _one_builder(tag: str) -> Iterator[None]:
    """Lets one process of this machine at a time look for an image and build it."""
    name = hashlib.sha256(tag.encode()).hexdigest()[:16]
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        import fcntl

        path = Path(tempfile.gettempdir()) / f"wa-settings-build-{os.getuid()}-{name}.lock"
        handle = os.open(path, flags, 0o600)
    except (ImportError, OSError):  # no locks here, or somebody else's: two may build at once, without harm
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _build(engine: Engine, base: str, files: Mapping[str, bytes], tag: str) -> None:
    need_image(engine, base)
    with Scratch("wheels-") as wheels:
        _download(_probed(engine, base), wheels)
        context = _context({**files, **{f"wheels/{one.name}": one.read_bytes() for one in wheels.iterdir()}})
    try:
        # To its end, also after an error: only then has the engine tidied up.
        said = list(
            engine.client.api.build(
                fileobj=context,
                custom_context=True,
                dockerfile=f"{_REFERENCE}/Dockerfile",
                buildargs={"BASE_IMAGE": base},
                tag=tag,
                rm=True,
                forcerm=True,
                decode=True,
            )
        )
        _heed(said)
        # The older builder leaves the image of the first stage behind.
        _remove(engine, {"label": IMAGE, "dangling": True})
    except FAULTS as error:
        raise explained(error, "build the reference client's image") from None


def _probed(engine: Engine, base: str) -> tuple[str, list[str]]:
    """The version of an image's Python, and the platforms whose wheels it takes; raises EngineError."""
    try:
        major, minor, machine, (libc, release) = json.loads(
            engine.output_of(base, ["-c", _PROBE], ["python3"])
        )
    except (EngineError, ValueError):
        raise EngineError(
            f"the base image {base} has no Python that runs", f"give another base-image=, such as {BASE}"
        ) from None
    return f"{major}.{minor}", _platforms(machine, libc, release)


def _heed(steps: Sequence[Mapping[str, Any]]) -> None:
    """Raises EngineError where the build said that it failed."""
    failed = next((str(step["error"]) for step in steps if "error" in step), None)
    if failed is None:
        return
    problem = " ".join(failed.split())[:200]
    if "no space left" in problem.lower():
        raise explained(errors.DockerException(problem), "build the reference client's image")
    said = [str(step.get("stream", "")).strip() for step in reversed(steps)]
    last = next((line for line in said if "error" in line.lower()), "")
    raise EngineError(
        f"the reference client's image cannot be built: {problem}{f' ({last[:200]})' if last else ''}",
        "give another base-image=, or a ready image=",
    )


def _context(files: Mapping[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _download(python: tuple[str, list[str]], folder: Path) -> None:
    """Fetches what the image needs with this machine's pip, if it has one and can.

    So a machine whose containers reach no index builds it, too; elsewhere the folder stays empty, and pip
    asks the index in the container.
    """
    version, platforms = python
    command = [
        *["download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"],
        *["--dest", str(folder), "--python-version", version, "--implementation", "cp"],
        *[part for platform in platforms for part in ("--platform", platform)],
        *["--requirement", str(_PACKAGE / "reference" / "requirements.txt"), *_MAYBE],
    ]
    for pip in ([sys.executable, "-m", "pip"], ["pip3"], ["python3", "-m", "pip"]):
        if shutil.which(pip[0]) is None:
            continue
        try:
            done = subprocess.run(
                [*pip, *command],
                capture_output=True,
                check=False,
                timeout=_DOWNLOAD_WITHIN,
                env=child_environment(),
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return
    for half in folder.iterdir():
        half.unlink()


def _platforms(machine: str, libc: str, release: str) -> list[str]:
    """The wheel tags that fit an image, as pip writes them."""
    if libc != "glibc":
        return [f"musllinux_1_{minor}_{machine}" for minor in (2, 1)]
    newest = int([*release.split("."), "17"][1])
    return [
        *[f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)],
        f"manylinux2014_{machine}",
    ]


def _repository_and_tag(name: str) -> tuple[str, str | None]:
    """`name:tag` in two; without a tag it is latest, and a digest stays where it is."""
    if "@" in name:
        return name, None
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")
