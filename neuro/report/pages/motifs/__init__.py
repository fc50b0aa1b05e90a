"""What the page of the stage `ntf` consists of."""
