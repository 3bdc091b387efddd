"""Serve a folder of .aez files to browsers, as WebP: serve.py packed 8000, then http://localhost:8000/photo.webp"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path

from PIL import Image

import aecodec

folder = Path(sys.argv[1])


class Images(BaseHTTPRequestHandler):
    def do_GET(self):
        path = folder / Path(self.path).with_suffix(".aez").name  # the name alone: nothing outside of the folder
        try:
            pixels = aecodec.imread(path)
        except (aecodec.DecodeError, OSError) as error:
            return self.send_error(404, str(error))
        file = BytesIO()
        Image.fromarray(pixels).save(file, "WEBP", quality=85)
        self.send_response(200)
        self.send_header("Content-Type", "image/webp")
        self.end_headers()
        self.wfile.write(file.getvalue())


HTTPServer(("localhost", int(sys.argv[2])), Images).serve_forever()
