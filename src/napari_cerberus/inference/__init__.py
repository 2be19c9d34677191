"""From any H&E array and a model to objects, a table and a tissue readout. Knows no screen."""
