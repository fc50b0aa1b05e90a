"""Digital twins: trained here, linear, or of others."""
