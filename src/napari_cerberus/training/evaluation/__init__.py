"""What a model is worth: scores, intervals by patient, calibration, report and card."""
