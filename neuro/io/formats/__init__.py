"""Formats that several readers share: tables, archives, HDF5, damaged files."""
