"""The commands that only classic models have. aecodec.cli registers them, so it has to be loaded before them."""

import aecodec.cli  # noqa: F401
