"""The tiny model without its visual tuning."""

import json
import shutil
from pathlib import Path

TINY = Path(__file__).parents[1] / "tiny"


def make_plain(folder: Path) -> Path:
    """Make weights in `folder`."""
    shutil.copytree(TINY, folder)
    (folder / "tiny" / "visual.npz").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["models"]["tiny"]["files"]["visual.npz"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
