"""Where most discriminative stimuli are sought, and how."""
