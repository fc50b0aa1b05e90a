"""Quality of runs, and what head motion leaves in connectivity."""
