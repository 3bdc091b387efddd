"""How codecs are drawn in plots and pages: a colour each, to be told apart on white and on black, and dashes."""

_COLOURS = {
    "aez": "#e5484d",
    "aez-fast": "#f2a0a3",
    "aez-slow": "#b3262c",
    "jpeg": "#8b8d98",
    "jpeg-opt": "#a8a29e",
    "jpeg-444": "#6f7782",
    "jpeg2000": "#a67c52",
    "webp": "#30a46c",
    "avif": "#0090ff",
    "avif-slow": "#5b7be8",
    "heic": "#d9a02b",
    "heic-psnr": "#d2691e",
    "jxl": "#9b5bd6",
    "jpegxr": "#12a594",
    "png": "#9ca3af",
    "webp-lossless": "#86b79c",
    "jxl-lossless": "#b9a3d0",
}
# Other settings of a codec that is a line of its own.
DASHED = ("aez-fast", "aez-slow", "jpeg-opt", "jpeg-444", "avif-slow", "heic-psnr")
_SPARE = ("#d6409f", "#7cb518", "#00a2c7", "#b45309", "#6d5bd0", "#c2a400", "#3f7d58", "#a04668")


def colours(names: list[str]) -> dict[str, str]:
    """Return a colour for each codec; those without one of their own take spare ones in turn.

    >>> colours(["aez", "new"])
    {'aez': '#e5484d', 'new': '#d6409f'}
    """
    unknown = [name for name in names if name not in _COLOURS]
    spare = {name: _SPARE[i % len(_SPARE)] for i, name in enumerate(unknown)}
    return {name: _COLOURS.get(name) or spare[name] for name in names}
