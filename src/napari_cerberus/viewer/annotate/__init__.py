"""From a click on Annotate to result layers."""
