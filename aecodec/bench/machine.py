"""What a measurement depends on besides the pictures: processor and versions of the libraries. No names, no paths."""

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("aecodec", "numpy", "pillow", "constriction", "zstandard", "ai-edge-litert")


def describe_machine() -> dict[str, str | int]:
    """Return processor, the number of cores that this process may use, system and Python version."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": _processor(),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def library_versions() -> dict[str, str]:
    """Return the versions of the packages and of the codec libraries inside Pillow; what is absent is left out."""
    from PIL import features

    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    for feature, library in (("libjpeg_turbo", "libjpeg-turbo"), ("webp", "libwebp"), ("avif", "libavif")):
        if features.check(feature):
            versions[library] = str(features.version(feature))
    if features.check("avif"):
        from PIL import AvifImagePlugin

        found = {codec: AvifImagePlugin.get_codec_version(codec) for codec in ("aom", "dav1d")}
        versions |= {codec: version for codec, version in found.items() if version}
    return versions


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
