"""Checks that need more than one part of the project, and the program that runs every check there is."""
