"""What a measurement depends on besides the images: processor and versions of the libraries. No names, no paths."""

import hashlib
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from aecodec.system.parallel import usable_threads

_PACKAGES = (
    "aecodec",
    "numpy",
    "pillow",
    "constriction",
    "zstandard",
    "onnxruntime",
    "imagecodecs",
    "pillow-heif",
    "ssimulacra2",
    "numcodecs",
    "zarr",
)
_FLAGS = ("avx2", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16", "asimddp")
# Folders of the package that no encoded byte depends on.
_NOT_CODEC = ("arrays", "batch", "bench", "cli", "desktop", "page", "train", "web")
_INSIDE_PILLOW = {
    "libjpeg_turbo": "libjpeg-turbo",
    "webp": "libwebp",
    "avif": "libavif",
    "jpg_2000": "openjpeg",
    "zlib": "zlib",
}
_INSIDE_IMAGECODECS = ("libjxl", "jxrlib")


def describe_machine() -> dict[str, str | int | list[str]]:
    """Return processor, its instruction sets that matter here, usable cores, system and Python version."""
    processor, flags = _processor()
    return {
        "processor": processor,
        "flags": [name for name in _FLAGS if name in flags],
        "cores": usable_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def library_versions() -> dict[str, str]:
    """Return the versions of the packages and of the codec libraries inside them; what is absent is left out.

    "aecodec files" is a hash of this package's own code and of its weights, which change more often than its version,
    "aecodec classic files" the same of the classic autoencoders.
    """
    from PIL import features

    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    versions |= _own_files()
    for feature, library in _INSIDE_PILLOW.items():
        if features.check(feature):
            versions[library] = str(features.version(feature))
    if features.check("avif"):
        from PIL import AvifImagePlugin

        coders = {name: AvifImagePlugin.get_codec_version(name) for name in ("aom", "dav1d")}
        versions |= {name: version for name, version in coders.items() if version}
    if "imagecodecs" in versions:
        import imagecodecs

        inside = imagecodecs.version(dict)
        versions |= {library: inside[library] for library in _INSIDE_IMAGECODECS if library in inside}
    if "pillow-heif" in versions:
        import pillow_heif

        versions["libheif"] = pillow_heif.libheif_version()
        if encoder := pillow_heif.libheif_info()["HEIF"]:
            versions["x265"] = encoder.partition("(")[2].rstrip(")") or encoder
    return versions


def _own_files() -> dict[str, str]:
    import aecodec
    from aecodec.classic.weights import folder_of_models
    from aecodec.model.weights import weights_folder

    package = Path(aecodec.__file__).parent
    files = [path for path in sorted(package.rglob("*.py")) if path.relative_to(package).parts[0] not in _NOT_CODEC]
    classic = [path for path in files if path.is_relative_to(package / "classic")]
    own = [path for path in files if path not in classic]
    manifests = weights_folder() / "manifest.json", folder_of_models() / "manifest.json"  # with hashes of the weights
    groups = {"aecodec files": [manifests[0], *own], "aecodec classic files": [manifests[1], *own, *classic]}
    return {name: _digest(paths) for name, paths in groups.items() if paths[0].exists()}


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]


def _processor() -> tuple[str, list[str]]:
    """Return the name of the processor and its flags, where Linux tells them."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                return name, value.split()
    except OSError:
        pass  # not Linux
    return name, []
