"""``python -m napari_cerberus`` is ``napari-cerberus``."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
