"""Raw runs: slice timing, realignment, a mask."""
