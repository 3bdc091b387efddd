"""What may import what: downwards only, heavy libraries in one place each, nothing heavy without need."""

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import aecodec
from aecodec import errors

PACKAGE = Path(aecodec.__file__).parent
TESTS = Path(__file__).parent

# From the bottom to the top: a module imports from lower floors, and from its own folder.
FLOORS = [
    {"errors", "page"},
    {"system"},
    {"storage"},
    {"limits", "geometry", "pixels", "scaling"},
    {"container"},
    {"entropy", "settings"},
    {"model", "imagefile"},
    {"family"},
    {"exact"},
    {"codec", "classic"},
    {"families"},
    {"api", "damage"},
    {"pillow", "files", "research"},
    {"arrays"},
    {"batch"},
    {"__init__"},
    {"bench", "train", "desktop"},
    {"web"},
    {"classic.train"},
    {"cli"},
    {"__main__"},
]
# The same within folders; a folder's __init__ may import all of it.
FLOORS_WITHIN = {
    "geometry": [{"areas", "windows"}],
    "entropy": [{"rangecoder"}, {"tables"}, {"coder"}],
    "model": [
        {"onnx_runtime", "lapped", "knots", "thumbnail", "tuning"},
        {"weights", "squares"},
        {"model"},
        {"point"},
        {"coarse"},
    ],
    "storage": [{"local"}, {"remote"}],
    "batch": [{"inputs"}, {"loader", "shards", "jobs"}, {"engine"}, {"cluster"}, {"convert"}],
    "files": [{"parts", "thumbnail"}],
    "arrays": [{"stack"}, {"zarr", "numcodecs", "imageio"}],
    "exact": [{"webp"}, {"look", "layout", "tiles"}, {"colours"}, {"family"}],
    "codec": [
        {"latents", "transforms", "masking", "hidden"},
        {"tilecoder", "forecast", "competition"},
        {"envelope"},
        {"decoder", "refine", "search"},
        {"salvage", "encoder", "thumbnail"},
        {"rate_control"},
        {"family"},
    ],
}
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """The room of a module of ours; training and commands of the classic models lie higher than the rest of them."""
    if module.startswith("classic.commands"):
        return "cli"
    return "classic.train" if module.startswith("classic.train") else module.split(".")[0]


# Libraries that one room alone knows.
USERS = {
    "constriction": {"entropy"},
    "zstandard": {"container"},
    "onnxruntime": {"model"},
    "onnx": {"train", "classic.train"},
    "tf2onnx": {"classic.train"},
    "keras": {"train", "classic.train"},
    "tensorflow": {"train", "classic.train"},
    "jax": {"train"},
    "rich": {"train", "cli"},
    "typer": {"cli"},
    "fsspec": {"storage"},
    "dask": {"batch"},
    "distributed": {"batch"},
    "imagecodecs": {"bench"},
    "zarr": {"arrays"},
    "numcodecs": {"arrays"},
    "imageio": {"arrays"},
    "pillow_heif": {"bench", "imagefile"},
    "pillow_jxl": {"imagefile"},
    "ssimulacra2": {"bench"},
    "matplotlib": {"bench", "train", "classic.train"},
    "PIL": {"system", "imagefile", "pillow", "exact", "bench", "train", "classic", "classic.train"},
}
HEAVY = {
    *("tensorflow", "keras", "jax", "onnx", "tf2onnx", "matplotlib", "scipy"),
    *("imagecodecs", "pillow_heif", "ssimulacra2", "zarr", "numcodecs", "imageio"),
    *("fsspec", "distributed", "dask"),
}


class Import(NamedTuple):
    module: str  # that imports: "codec", "cli.train"
    target: str  # what is imported: "aecodec.errors", "numpy"
    inside: bool  # a function, so that it happens when the function runs

    @property
    def room(self) -> str:
        return room_of(self.module)

    @property
    def target_room(self) -> str | None:
        """Our own room that is imported, None for a library."""
        name, _, rest = self.target.partition(".")
        if name != "aecodec":
            return None
        return room if (room := room_of(rest)) in FLOOR else "__init__"


def imports_of(path: Path) -> Iterator[Import]:
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(path.read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    late = {id(node) for f in ast.walk(tree) if isinstance(f, functions) for node in ast.walk(f)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names = [node.module]
            if node.module == "aecodec" or (PACKAGE.parent / node.module.replace(".", "/")).is_dir():
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield Import(module, name, id(node) in late)


@cache
def imports() -> list[Import]:
    return [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path)]


def test_every_module_has_its_floor():
    found = {room_of(".".join(p.relative_to(PACKAGE).with_suffix("").parts)) for p in PACKAGE.rglob("*.py")}
    assert found == set(FLOOR), "a new module needs its place in FLOORS"


def test_imports_point_downwards():
    wrong = [
        f"{i.module} imports {i.target}"
        for i in imports()
        if i.target_room is not None and i.target_room != i.room and FLOOR[i.target_room] >= FLOOR[i.room]
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", FLOORS_WITHIN)
def test_imports_within_a_folder_point_downwards(folder):
    floor = {module: number for number, modules in enumerate(FLOORS_WITHIN[folder]) for module in modules}
    found = {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}
    assert found == set(floor), "a new module needs its place in FLOORS_WITHIN"
    wrong = []
    for i in imports():
        parts = i.target.split(".")
        if i.room == folder and parts[:2] == ["aecodec", folder] and i.module != folder:
            wrong += [i] if floor[parts[2]] >= floor[i.module.split(".")[1]] else []
    assert wrong == []


def test_modules_do_not_import_each_other_in_circles():
    edges: dict[str, set[str]] = {}
    for i in imports():
        if i.target_room is not None:
            edges.setdefault(i.module, set()).add(i.target.removeprefix("aecodec").removeprefix(".") or "__init__")

    done: set[str] = set()  # no circle goes through these

    def visit(module: str, above: tuple[str, ...]):
        assert module not in above, " -> ".join([*above, module])
        if module not in done:
            for target in edges.get(module, ()):
                visit(target, (*above, module))
            done.add(module)

    for module in edges:
        visit(module, ())


def test_the_container_needs_the_standard_library_alone():
    container = {i.module for i in imports() if i.room == "container"}
    others = {"container.zstd": "zstandard", "container.alpha": "numpy"}  # not needed to read a file's layout
    for module in {*container, "limits", "errors"}:
        targets = {i.target for i in imports() if i.module == module}
        ours = {target for target in targets if target.startswith("aecodec")}
        assert all(target.startswith(("aecodec.container", "aecodec.limits", "aecodec.errors")) for target in ours)
        libraries = {target.split(".")[0] for target in targets - ours} - {others.get(module)}
        assert libraries <= set(sys.stdlib_module_names), module


@pytest.mark.parametrize("library", USERS)
def test_a_library_has_one_room(library):
    found = {i.room for i in imports() if i.target.split(".")[0] == library}
    assert found <= USERS[library]


def test_every_other_library_is_numpy():
    known = set(sys.stdlib_module_names) | set(USERS) | {"aecodec", "numpy"}
    assert [f"{i.module}: {i.target}" for i in imports() if i.target.split(".")[0] not in known] == []


def test_training_is_loaded_inside_commands_only():
    training = {"train", "classic.train"}
    users = [i for i in imports() if i.target_room in training and i.room not in training]
    commands = {"classic.commands.train", "classic.commands.export"}  # which those of cli load when they run
    assert {i.module for i in users} == {"cli.train", "cli.export", "cli.log", *commands}
    assert all(i.inside for i in users if i.module not in commands)
    assert all(i.inside for i in imports() if i.target.removeprefix("aecodec.") in commands)


def test_folders_of_tests_are_rooms():
    """But for those of the format, which belong to no room."""
    folders = {path.parent.name for path in TESTS.glob("*/test_*.py")}
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders - rooms == {"conformance"}
    modules = {path.stem for path in PACKAGE.glob("*.py")} | rooms
    others = {"attacks", "docs", "imports", "load", "readme"}  # of no module or room
    assert {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")} <= modules | others


def loaded(code: str) -> set[str]:
    """Names of the top-level modules that a new interpreter has after running `code`."""
    tail = "\nimport json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    found = loaded("import aecodec, aecodec.codec.encoder, aecodec.model.model, aecodec.imagefile")
    assert not found & (HEAVY | {"typer", "click", "rich", "onnxruntime"})


def test_importing_the_package_leaves_pillow_alone():
    assert "PIL" not in loaded("import aecodec")
    assert "PIL" in loaded("import aecodec; aecodec.register()")


def test_commands_load_nothing_heavy():
    modules = sorted(f"aecodec.cli.{path.stem}" for path in (PACKAGE / "cli").glob("*.py") if path.stem != "__init__")
    assert not loaded(f"import aecodec.cli, {', '.join(modules)}") & (HEAVY | {"onnxruntime"})


def test_encoding_and_decoding_load_onnx_runtime_and_no_tensorflow():
    found = loaded(
        "import numpy as np, aecodec\n"
        "data = aecodec.encode(np.zeros((3, 5, 3), np.uint8))\n"
        "assert aecodec.read_info(data).width == 5\n"
        "assert aecodec.decode(data).shape == (3, 5, 3)"
    )
    assert "onnxruntime" in found
    assert not found & (HEAVY | {"typer"})


def test_all_is_what_the_package_offers():
    assert aecodec.__all__ == sorted(set(aecodec.__all__))
    public = {n for n, value in vars(aecodec).items() if not n.startswith("_") and not inspect.ismodule(value)}
    assert set(aecodec.__all__) == public
    assert {
        "encode",
        "decode",
        "read_info",
        "read_metadata",
        "imread",
        "imwrite",
        "Info",
        "Limits",
        "Metadata",
        "register",
    } <= public


def test_all_names_every_error():
    tree = {n for n, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert tree <= set(aecodec.__all__)
    assert all(getattr(aecodec, name) is getattr(errors, name) for name in tree)


def test_errors_are_also_what_python_calls_them():
    assert issubclass(aecodec.DecodeError, ValueError)
    assert issubclass(aecodec.EncodeError, ValueError)
    assert issubclass(aecodec.ModelError, RuntimeError)
    for error in (aecodec.NotAezError, aecodec.UnsupportedError, aecodec.TruncatedError):
        assert issubclass(error, aecodec.DecodeError)
    for error in (aecodec.CorruptError, aecodec.LimitError):
        assert issubclass(error, aecodec.DecodeError)
    for error in (aecodec.DecodeError, aecodec.EncodeError, aecodec.ModelError):
        assert issubclass(error, aecodec.AezError)
