"""One run from volumes and confounds to clean series."""
