"""Compress the images of a folder, each into at most so many bytes: compress_folder.py photos packed 20000"""

import sys
from pathlib import Path

import aecodec

source, target, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
target.mkdir(exist_ok=True)
for path in sorted(source.iterdir()):
    try:
        aecodec.imwrite(target / f"{path.stem}.aez", aecodec.imread(path), target_size=size)
    except (aecodec.AezError, OSError) as error:
        print(f"{path}: {error}", file=sys.stderr)
