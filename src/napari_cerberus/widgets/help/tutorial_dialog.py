"""The tutorial of the installed version, without a network."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

_CHECKOUT = Path(__file__).resolve().parents[4] / "docs"
_FILE = "tutorial.md"
_SIZE_PX = (760, 700)


def tutorial_path() -> Path:
    """The file: in an installed package beside it, in a checkout where it is written."""
    installed = Path(str(files("napari_cerberus"))) / "help" / _FILE
    return installed if installed.is_file() else _CHECKOUT / _FILE


class TutorialDialog(QDialog):
    """Shows the tutorial with its pictures; does not block napari."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("From a click to a saved annotation")
        self.resize(*_SIZE_PX)
        self.text = QTextBrowser()
        self.text.setOpenExternalLinks(True)
        path = tutorial_path()
        self.text.setSearchPaths([str(path.parent)])
        self.text.document().setBaseUrl(QUrl.fromLocalFile(f"{path.parent}/"))
        self.text.setMarkdown(path.read_text(encoding="utf-8"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
