"""`producer run`: an embedded broker and workers on one machine, started for one run and ended with it."""
