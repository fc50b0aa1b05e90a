"""Region series: tables as laboratories have them, and the files of the pipeline."""
