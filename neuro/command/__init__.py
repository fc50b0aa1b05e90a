"""The command `neuro`: one file per subcommand, plain Python."""
