"""An evaluation on disk: ``report.json``, CSV tables and one HTML page that needs nothing beside it."""

from .write_report import REPORT_FILE, write_report

__all__ = ["REPORT_FILE", "write_report"]
