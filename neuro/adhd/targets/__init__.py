"""Other targets than the diagnosis: numbers, and labels with any number of classes."""
