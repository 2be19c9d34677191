"""Why? for the tissue readout: tiles that the image resembles, and parts hidden to see what changes."""
