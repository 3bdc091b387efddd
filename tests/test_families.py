"""The registry knows every installed model once, and gives each to its family."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import aecodec
from aecodec import families
from aecodec.classic.weights import Classic
from aecodec.cli import app
from aecodec.errors import ModelError, UnsupportedError
from aecodec.exact.family import ExactModel
from aecodec.model.model import Model

pytestmark = pytest.mark.usefixtures("tiny_weights")


def test_every_model_is_found_by_name_and_by_id():
    models = list(families.installed())
    assert {type(model) for model in models} == {Model, ExactModel, Classic}
    assert len({model.id for model in models}) == len({model.name for model in models}) == len(models)
    for model in models:
        assert families.by_name(model.name) is families.by_id(model.id) is families.find(model.id) is model
        assert isinstance(model, families.family_of(model).kind)


def test_an_unknown_name_is_answered_with_those_that_encode():
    with pytest.raises(ModelError) as error:
        families.by_name("foto")
    assert (
        str(error.value)
        == "unknown model 'foto': installed are tiny, exact, mnist-dense, image-conv, fashion-vae, mnist-denoise"
    )


def test_an_unknown_id():
    assert families.find(7) is None
    with pytest.raises(UnsupportedError, match=r"^model 0x0007: not known to this version"):
        families.by_id(7)


@pytest.mark.parametrize("model", [None, 3, b"tiny"])
def test_what_is_no_model(model):
    with pytest.raises(TypeError, match=rf"^model: {type(model).__name__}, expected a name or a loaded model$"):
        aecodec.encode(np.zeros((4, 4), np.uint8), model=model)


def test_a_damaged_manifest_of_one_family_leaves_the_other_alone(tmp_path, monkeypatch):
    folder = shutil.copytree(Path(__file__).parent / "tiny", tmp_path / "weights")
    (folder / "classic" / "manifest.json").write_text("{")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    image = np.full((20, 30, 3), 90, np.uint8)
    assert aecodec.decode(aecodec.encode(image, model="tiny")).shape == image.shape
    with pytest.raises(ModelError, match=r"classic/manifest\.json: not a manifest of models$"):
        aecodec.encode(image, model="image-conv")


def test_a_folder_of_classic_models_alone_is_whole(tmp_path, monkeypatch, capsys):
    """As aecodec export makes it of a classic run. A folder that holds nothing at all is named."""
    shutil.copytree(Path(__file__).parent / "tiny" / "classic", tmp_path / "mine" / "classic")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path / "mine"))
    for arguments in (["models"], ["--version"]):
        with pytest.raises(SystemExit) as left:
            app(arguments, prog_name="aecodec")
        assert left.value.code == 0
    assert "mnist-dense" in capsys.readouterr().out
    with pytest.raises(ModelError, match=r"^unknown model 'photo': installed are exact, mnist-dense, "):
        families.by_name("photo")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelError, match=r"manifest\.json: no such file or directory$"):
        families.by_name("photo")
