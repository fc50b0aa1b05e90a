"""From series to graphs: standardise, correlate, threshold, pack, count."""
