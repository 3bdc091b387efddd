"""A WebP thumbnail of an .aez file, at most 200 pixels wide and high: thumbnail.py photo.aez thumbnail.webp"""

import sys

from PIL import Image

import aecodec

aecodec.register()
with Image.open(sys.argv[1]) as image:
    image.thumbnail((200, 200))
    image.save(sys.argv[2], quality=80)
