"""Errors a user may meet: each message says what is wrong, names the file or field, and says what to do.

None of them derives from ``RuntimeError``: napari's generator workers swallow that one.
"""

from __future__ import annotations


class CerberusError(Exception):
    """Base of every error this package raises on purpose. Its text is one clear sentence for the user."""


class ImageError(CerberusError):
    """An image cannot be read or is of a kind that cannot be annotated."""


class ModelError(CerberusError):
    """A model file is missing, damaged, unsafe or of another shape."""


class DataError(CerberusError):
    """Training pairs, labels or an annotation on disk are missing, damaged or contradict each other."""


class SettingsError(CerberusError, ValueError):
    """A setting has a value that makes no sense; the message names the field and what is allowed."""


class DeviceError(CerberusError):
    """The chosen device is absent or ran out of memory."""


class OutputError(CerberusError):
    """A result could not be written; nothing was left half-written."""


class EditError(CerberusError):
    """A correction cannot be made as asked; the labels are as they were."""


class InstallationError(CerberusError):
    """A library this package needs is missing or broken; the message names the commands that mend it."""


class JobCancelled(CerberusError):
    """The user cancelled a job; everything is as it was before."""
