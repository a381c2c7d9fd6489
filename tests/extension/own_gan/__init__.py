"""A package that is no part of seesaw: each file, with its YAML file in ../conf, adds one thing (tests/test_extension.py)."""
