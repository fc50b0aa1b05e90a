"""Hidden chain, emissions and their fit."""
