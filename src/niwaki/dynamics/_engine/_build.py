"""Getting the compiled engine: built on demand by the C compiler at hand, kept in the cache."""

import ctypes
import functools
import hashlib
import importlib.util
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from niwaki.dynamics._engine._layout import declare

LOG = logging.getLogger("niwaki.dynamics")
SWITCH = "NIWAKI_ENGINE"
_SOURCES = ("kernel.c", "kernel_body.h")
_FLAGS = (
    *(
        "-std=gnu11",
        "-O2",
        "-ftree-vectorize",
        "-march=native",
        "-fno-math-errno",
        "-fno-trapping-math",
    ),
    *("-fPIC", "-shared", "-pthread"),
)
_BUILD_SECONDS = 300.0
_NEEDED = {1: ("avx2", "fma"), 2: ("avx512f",), 4: ("asimd", "neon")}


@dataclass(frozen=True)
class Engine:
    """The compiled engine, or the reason why there is none.

    Attributes
    ----------
    library
        The loaded library; None where everything runs in pure torch.
    note
        One sentence for the log: what runs, and why.
    """

    library: ctypes.CDLL | None
    note: str


@functools.cache
def engine() -> Engine:
    """Return the engine of this process; builds it at the first call on a machine.

    The environment variable ``NIWAKI_ENGINE=torch`` switches it off.
    """
    found = _find()
    LOG.info(found.note)
    return found


def _find() -> Engine:
    if os.environ.get(SWITCH, "").lower() == "torch":
        return _none(f"{SWITCH} is set to torch")
    compiler = _compiler()
    if compiler is None:
        return _none("no C compiler was found; install gcc 12 or clang, or the extra niwaki[fast]")
    try:
        path = _built(compiler)
        library = ctypes.CDLL(str(path))
        declare(library)
    except (OSError, subprocess.SubprocessError, AttributeError) as error:
        return _none(f"the C compiler '{compiler[0]}' could not build it ({_last_line(error)})")
    if not supported(library.niwaki_isa(), cpu_flags()):
        return _none(f"{path.name} was built for another processor")
    return Engine(library, f"engine: compiled for this processor ({path.name})")


def _none(reason: str) -> Engine:
    return Engine(None, f"engine: pure torch, slower but the same to rounding ({reason})")


def _last_line(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    lines = [line for line in str(said).splitlines() if "error" in line] or [str(error)]
    return lines[0].strip()[:160]


def _compiler() -> list[str] | None:
    """Return the command of a C compiler: ``CC``, the system's, or the one of a Python package."""
    given = os.environ.get("CC")
    for name in [given] if given else ["cc", "gcc", "clang"]:
        if shutil.which(name.split()[0]):
            return name.split()
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    return None


def _built(compiler: list[str]) -> Path:
    """Return the library for this source, compiler and processor, built if it is not there."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for part in (*(here.joinpath(name).read_bytes() for name in _SOURCES),):
        digest.update(part)
    described = (*compiler, *_FLAGS, platform.machine(), *sorted(cpu_flags()))
    digest.update("\0".join(described).encode())
    folder = cache_folder()
    path = folder / f"engine-{digest.hexdigest()[:16]}.so"
    if path.exists():
        return path
    LOG.info("engine: building it for this processor, once")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        made = Path(work) / path.name
        command = [*compiler, *_FLAGS, str(here / "kernel.c"), "-o", str(made), "-lm"]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_BUILD_SECONDS)
        made.replace(path)  # whole or not at all, also when two processes build at once
    return path


def cache_folder() -> Path:
    """Return the folder of built engines, the user's own."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "niwaki" / "engine"


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Return the instruction sets of this processor, as the system lists them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return _flags_of_macos()
    lines = [line for line in text.splitlines() if line.startswith(("flags", "Features"))]
    return frozenset(lines[0].partition(":")[2].split()) if lines else frozenset()


def _flags_of_macos() -> frozenset[str]:
    if platform.machine() == "arm64":
        return frozenset({"asimd"})
    try:
        ran = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.features", "machdep.cpu.leaf7_features"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(ran.stdout.lower().split())


def supported(isa: int, flags: frozenset[str]) -> bool:
    """Return whether a processor with `flags` can run a library built for `isa`."""
    for bit, names in _NEEDED.items():
        alternatives = names if bit == 4 else ()
        if isa & bit and alternatives and not flags & set(alternatives):
            return False
        if isa & bit and not alternatives and not flags >= set(names):
            return False
    return True
