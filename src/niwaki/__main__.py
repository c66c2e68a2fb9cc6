"""``python -m niwaki`` is the command ``niwaki``."""

from niwaki.cli import main

main()
