"""What the pages of docs/ tell a user to type works as it stands, and so do the examples."""

import importlib.util
import json
import os
import re
import runpy
import shutil
import sys
import threading
import tomllib
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import typer
from digits import write_digits
from PIL import Image
from typer.testing import CliRunner

import aecodec
from aecodec.cli import app
from aecodec.train.shape import shape_of

ROOT = Path(aecodec.__file__).parent.parent
DOCS = ROOT / "docs"
SAMPLES = Path(aecodec.__file__).parent / "bench" / "samples"
OTHERS = {  # whose blocks other tests run
    "arrays.md": "arrays/test_recipes.py",
    "cloud.md": "storage/test_s3.py",
    "cluster.md": "batch/test_cluster.py",
}
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
FENCE = re.compile(r"^```(\w+)( [\w-]+)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = typer.main.get_command(app).commands


def blocks(page: str) -> list[tuple[str, bool, str]]:
    """Language, whether it is to be run (no other word follows the language), text."""
    return [(language, not other, text) for language, other, text in FENCE.findall((DOCS / page).read_text())]


def known_options(line: str) -> None:
    """Assert that each aecodec in a line has a command that there is, with options that there are."""
    for command, rest in re.findall(r"(?:^|[;&|] *|\w=\S+ )aecodec ([a-z]+)([^|&;]*)", line):
        known = {name for p in COMMANDS[command].params for name in (*p.opts, *p.secondary_opts)}
        assert set(re.findall(r"(?<=\s)--?[a-z][\w-]*", rest)) <= known, line


def commands(text: str) -> list[str]:
    return [line for line in (line.partition(" #")[0].strip() for line in text.splitlines()) if line]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """What the recipes take for granted."""
    for name, sample in (("photo.png", "kodim15"), ("photos/one.png", "kodim05"), ("photos/2/two.png", "kodim20")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(SAMPLES / f"{sample}_crop.png", tmp_path / name)
    with Image.open(SAMPLES / "kodim15_crop.png") as image:
        image.convert("L").resize((28, 28)).save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("aecodec_docs_hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in OTHERS and any(run for _, run, _ in blocks(page))]
)
def test_what_a_page_says_runs(page, folder, shell):
    names: dict = {}
    for language, run, text in blocks(page):
        if run and language == "python":
            exec(compile(text, page, "exec"), names)
        for command in commands(text) if run and language == "sh" else ():
            code, said = shell(command, folder)
            assert code == 0, f"{command}: {said}"


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_has_options_that_there_are(page):
    for language, _, text in blocks(page):
        assert language in ("sh", "python", "json", "html", "js"), language
        for command in commands(text) if language == "sh" else ():
            known_options(command)
        if language == "python":
            compile(text, page, "exec")
        if language == "json":
            json.loads(text)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page}" for page in PAGES)])
def test_what_stands_between_the_lines_is_there(page):
    """Commands in indented blocks and in sentences have options that there are, and extras are those of the package."""
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    text = (ROOT / page).read_text()
    prose = FENCE.sub("", text)
    for line in re.findall(r"^    (.*)$", prose, re.MULTILINE) + re.findall(r"`([^`]+)`", prose):
        known_options(" ".join(line.split()))
    for names in re.findall(r"(?:\.|aecodec)\[([\w,]+)\]", text):
        assert set(names.split(",")) <= extras, names


def test_what_a_web_page_uses_is_there():
    web = Path(aecodec.__file__).parent / "web" / "aez"
    page = "".join(text for language, _, text in blocks("recipes/web.md") if language in ("html", "js"))
    imports = re.findall(r'import \{ (.*?) \} from "\./aez/(.*?)";', page)
    assert len(imports) == 3
    for names, file in imports:
        code = (web / file).read_text()
        exported = re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", code, re.MULTILINE)
        exported += re.findall(r"\w+", " ".join(re.findall(r"^export \{(.*?)\}", code, re.MULTILINE)))
        assert set(names.split(", ")) <= set(exported)
    element, types = (web / "element.js").read_text(), (web / "aez.d.ts").read_text()
    [tag] = set(re.findall(r"<([a-z]+-[a-z]+) ", page))
    assert f'name = "{tag}"' in element
    for name in re.findall(r' (\w+)="', "".join(re.findall(rf"<{tag} [^>]*>", page))):
        assert f'"{name}"' in element, name
    options = re.sub(r"\[.*?\]|\".*?\"", "", " ".join(re.findall(r"\{ (.*?) \}\)", page)))
    keys = set(re.findall(r"[a-z]\w*", options))
    assert keys == {"weights", "runtime", "models", "region", "scale"}
    for key in keys:
        assert re.search(rf"^  {key}\??: ", types, re.MULTILINE), key


@pytest.mark.skipif(os.name == "nt", reason="the command is for a POSIX shell")
def test_models_side_by_side(folder, shell, weights):
    """The command of the researchers' page, for models and images that are small."""
    (line,) = [
        command
        for language, _, text in blocks("recipes/researcher.md")
        for command in (commands(text) if language == "sh" else ())
        if "--model runs/" in command
    ]
    for run in ("wide", "deep"):
        shutil.copytree(weights, folder / "runs" / run)
    (folder / "kodak").mkdir()
    with Image.open("photo.png") as image:
        image.crop((0, 0, 48, 32)).save("kodak/1.png")
    code, said = shell(f"{line} --quick --repeats 0 --metrics psnr", folder)
    assert code == 0, said


TRAINING = [
    line
    for text in [(ROOT / "README.md").read_text(), *((DOCS / page).read_text() for page in PAGES)]
    for language, _, block in FENCE.findall(text)
    for line in (commands(block) if language == "sh" else ())
    if line.startswith("aecodec train ") and "--list" not in line
]


@pytest.mark.parametrize("line", TRAINING)
def test_commands_that_train_are_right_up_to_the_training(line, folder, monkeypatch):
    """All arguments are checked before a framework is loaded, and here there is none."""
    for name in ("images", "others", "IMAGES", "OTHERS"):
        shutil.copytree(SAMPLES, folder / name)
    (folder / "MNIST").mkdir()
    write_digits(folder / "MNIST")
    page = (DOCS / "recipes" / "researcher.md").read_text()
    (own,) = [text for language, _, text in FENCE.findall(page) if language == "python" and "def l1(" in text]
    (folder / "mine.py").write_text(own)
    if "--resume" in line:
        (folder / "runs" / "photo").mkdir(parents=True)
        np.savez(folder / "runs" / "photo" / "checkpoint.npz", meta=np.array(json.dumps({"shape": {}})))
    monkeypatch.setattr(sys, "path", sys.path[:])
    for module in ("keras", "aecodec.train.loop", "aecodec.classic.train.run"):
        monkeypatch.setitem(sys.modules, module, None)
    done = CliRunner().invoke(app, [*line.split()[1:], "--quiet"])
    assert done.stderr.startswith("training needs the extra 'train'"), done.stderr


def test_the_shape_of_a_page_is_one(folder):
    (text,) = [text for language, _, text in blocks("recipes/researcher.md") if language == "json"]
    (folder / "shape.json").write_text(text)
    assert shape_of("shape.json") != shape_of("photo")


def test_pages_are_filled_in_and_their_links_lead_somewhere(hooks):
    filled = {page: hooks.fill((DOCS / page).read_text(), page) for page in PAGES}
    for page, text in filled.items():
        assert not re.search(r"<!--|\{\{ ", re.sub(r"```.*?```", "", text, flags=re.DOTALL)), page
        prose = re.sub(r"^```.*?^```|^    .*?$|`[^`]*`", "", text, flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\((?!\w+://)([^)#\s]+)", prose):
            assert ((DOCS / page).parent / target).exists(), f"{page}: {target}"
    assert set(re.findall(r"^## (\w+)$", filled["commands.md"], re.MULTILINE)) == set(COMMANDS)
    assert "--target-psnr" in filled["commands.md"]
    rates = json.loads((ROOT / "benchmarks/results/rd_kodak.json").read_text())["groups"]["all"]["bd_rate"]["psnr"]
    index = " ".join(filled["index.md"].split())
    assert all(f"{-rates[codec]['shared']:.1f} % smaller" in index for codec in ("aez", "avif"))
    assert "Decoding is slow" in index
    assert "hyperprior" in filled["glossary.md"]
    nav = (ROOT / "mkdocs.yml").read_text()
    assert [page for page in PAGES if f": {page}\n" not in nav] == []


@pytest.mark.parametrize(
    "mark",
    [
        "number rd_kodak.json none .1f",
        "number rd_kodak.json groups.all.bd_rate.psnr.aez.percent .1f",  # is another
        "section CONTRIBUTING.md#None",
        "x",
    ],
)
def test_what_there_is_not_ends_the_build(hooks, mark):
    with pytest.raises((KeyError, ValueError)):
        hooks.fill(f"<!-- {mark} -->1.0<!-- end -->", "index.md")


def run_example(monkeypatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
    runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")


def test_examples(folder, monkeypatch, capsys):
    (folder / "photos" / "2" / "two.png").rename(folder / "photos" / "two.png")
    (folder / "photos" / "2").rmdir()
    (folder / "photos" / "notes.txt").write_text("no image")
    run_example(monkeypatch, "compress_folder.py", "photos", "packed", 6000)
    assert capsys.readouterr().err.startswith("photos/notes.txt: ")
    assert all(5000 < path.stat().st_size <= 6000 for path in (folder / "packed").iterdir())
    run_example(monkeypatch, "thumbnail.py", "packed/one.aez", "one.webp")
    with Image.open("one.webp") as image:
        assert image.size == (200, 200)
    run_example(monkeypatch, "qualities.py", "photo.png", "sheet.png")
    with Image.open("sheet.png") as image:
        assert image.size == (3 * 256, 2 * 256)
    sizes = [int(size) for size in re.findall(r"(\d+) bytes", capsys.readouterr().out)]
    assert sizes == sorted(sizes)
    run_example(monkeypatch, "rate_distortion.py", "photo.png")
    rows = [[float(value) for value in line.split(",")] for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == sorted(rows)
    assert rows[-1][2] > 40 > 28 > rows[0][2]
    run_example(monkeypatch, "channels.py", "packed/one.aez")
    assert re.match(r"\d+ channels; half of the bits are in \d+, 99 % in \d+\n\d+\.\d% of", capsys.readouterr().out)


def test_the_example_of_a_server(folder, monkeypatch):
    import http.server

    (folder / "packed").mkdir()
    aecodec.imwrite("packed/a.aez", aecodec.imread("photo.png"), quality=20)
    servers = []
    monkeypatch.setattr(http.server.HTTPServer, "serve_forever", lambda server: servers.append(server))
    monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "log_message", lambda *_: None)
    run_example(monkeypatch, "serve.py", "packed", 0)
    (server,) = servers
    with server:
        for path, status in (("/a.webp", 200), ("/none.webp", 404), ("/../photo.webp", 404)):
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            try:
                with urllib.request.urlopen(f"http://localhost:{server.server_port}{path}", timeout=30) as answer:
                    assert answer.read(4) == b"RIFF"
                    found = 200
            except urllib.error.HTTPError as error:
                found = error.code
                error.close()
            thread.join()
            assert found == status


def test_examples_are_short():
    for path in (ROOT / "examples").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 30, path


def notebook() -> list[dict]:
    return json.loads((ROOT / "examples" / "ladder.ipynb").read_text())["cells"]


def test_the_notebook_has_its_results_and_nothing_of_a_machine():
    path = ROOT / "examples" / "ladder.ipynb"
    assert path.stat().st_size < 1_500_000
    outputs = [output for cell in notebook() for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 8
    text = "".join(line for output in outputs for line in output.get("text", ()))
    assert "photo: a file of" in text
    assert not re.search(r"/(home|tmp|root|Users)/", path.read_text())
    assert {output.get("name") for output in outputs} <= {None, "stdout"}  # no warnings


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(monkeypatch):
    pytest.importorskip("tensorflow")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    monkeypatch.setattr(pyplot, "show", lambda: pyplot.close("all"))
    names: dict = {"__name__": "notebook"}
    for cell in notebook():
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "ladder.ipynb", "exec"), names)
    dense = names["results"]["mnist-dense-0"]
    assert dense["psnr"] > names["linear_psnr"][4]
    assert dense["bytes"] < dense["jpeg"]["bytes"]
    assert names["codec_psnr"] > names["toy_psnr"] + 2
