"""The pathologist's side of an annotation: table, store, edits, review, merge and journal. Knows no screen."""
