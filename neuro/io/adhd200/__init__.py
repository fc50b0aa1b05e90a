"""The ADHD-200 release: phenotypes, sites and region series."""
