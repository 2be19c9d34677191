"""The model card, for reading."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from ...viewer.session import ModelChoice


class ModelCardDialog(QDialog):
    """Shows what a model predicts and where it came from; does not block napari.

    Parameters
    ----------
    model : ModelChoice
    """

    def __init__(self, model: ModelChoice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Model card: {model.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(620, 640)
        self.text = QTextBrowser()
        self.text.setOpenExternalLinks(True)
        self.text.setMarkdown(_card_text(model))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)


def _card_text(model: ModelChoice) -> str:
    finds = ", ".join("the tissue type" if one == "tissue" else one for one in model.predicts)
    plain = (
        f"This model finds {finds} in H&E images and works at {model.scales}; every image is brought to that first. "
        "It proposes, and you decide: it is **not for diagnosis**. What it was trained on and where it is weak stands "
        "below; on other laboratories' slides look at some objects before you rely on its counts."
    )
    facts = (
        f"**{model.name}** predicts {', '.join(model.predicts)} at {model.scales}.  \n"
        f"SHA-256 of its weights: `{model.sha256}`"
    )
    return f"{plain}\n\n{facts}\n\n{model.card or 'This model came without a card.'}"
