"""The tutorial of the installed version, without a network."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from qtpy.QtCore import QByteArray, Qt, QUrl
from qtpy.QtGui import QImage, QTextDocument
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

_CHECKOUT = Path(__file__).resolve().parents[4] / "docs"
_FILE = "tutorial.md"
_SIZE_PX = (760, 700)
_PICTURE_PX = 690
"""Widest picture: beside the scroll bar of the narrowest window, with the margins of the text."""


def tutorial_path() -> Path:
    """The file: in an installed package beside it, in a checkout where it is written."""
    installed = Path(str(files("napari_cerberus"))) / "help" / _FILE
    return installed if installed.is_file() else _CHECKOUT / _FILE


class _Text(QTextBrowser):
    """Text whose pictures are no wider than the window."""

    def loadResource(self, kind: int, name: QUrl) -> Any:
        """A picture that is too wide is made smaller."""
        found = super().loadResource(kind, name)
        if kind != QTextDocument.ResourceType.ImageResource.value or not isinstance(found, QByteArray):
            return found
        picture = QImage.fromData(found)
        if picture.width() <= _PICTURE_PX:
            return picture
        return picture.scaledToWidth(_PICTURE_PX, Qt.TransformationMode.SmoothTransformation)


class TutorialDialog(QDialog):
    """Shows the tutorial with its pictures; does not block napari."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("From a click to a saved annotation")
        self.setMinimumWidth(_SIZE_PX[0])
        self.resize(*_SIZE_PX)
        self.text = _Text()
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
