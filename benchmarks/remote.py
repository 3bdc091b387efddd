"""Bytes that `decompress --region` and `info` read of a file of 12 MP -> remote.json.

The regions lie in the middle of the image, at its corner and in between. What is read does not depend on where the file
lies, so a local one stands for an object; each request is a range of bytes.
"""

import numpy as np
from common import mosaic, write_result

import aecodec
from aecodec import container
from aecodec.files import parts

WIDTH, HEIGHT = 4000, 3000
QUALITIES = (50, 75, 90)
REGIONS = {  # x, y, width, height
    "256x256 in the middle": (1872, 1372, 256, 256),
    "512x512 in the middle": (1744, 1244, 512, 512),
    "800x600 in the middle": (1600, 1200, 800, 600),
    "800x600 at the corner": (0, 0, 800, 600),
    "1000x750, a sixteenth": (1500, 1125, 1000, 750),
}


def run(options) -> None:
    image = mosaic(options.images, WIDTH, HEIGHT)
    rows = []
    for quality in QUALITIES:
        data = aecodec.encode(image, quality, effort=0)
        requests: list[int] = []

        def read(spans, data=data, requests=requests):
            requests.extend(end - start for start, end in spans)
            return [data[start:end] for start, end in spans]

        head, _ = parts.read_head(read, len(data))
        rows.append(
            {"quality": quality, "what": "info", "bytes": head.read, "of_file": round(head.read / len(data), 4)}
        )
        for name, region in REGIONS.items():
            requests.clear()
            part = parts.read_region(read, len(data), region, tags=[container.ALPHA])
            assert part.read == sum(requests)
            row = {"quality": quality, "what": name, "bytes": part.read, "of_file": round(part.read / len(data), 4)}
            area = region[2] * region[3] / (WIDTH * HEIGHT)
            rows.append(row | {"of_area": round(area, 4), "requests": len(requests)})
        if quality == QUALITIES[1]:  # what was read is enough
            decoded = aecodec.decode(part.data, region=region)
            assert np.array_equal(decoded, aecodec.decode(data, region=region))
    write_result("remote", {"image": {"width": WIDTH, "height": HEIGHT}, "parts": rows})
