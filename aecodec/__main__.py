"""python -m aecodec: the same as the command aecodec."""

from aecodec.cli import main

if __name__ == "__main__":
    main()
