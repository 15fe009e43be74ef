"""Checks the dashboards, freezes them with their data into one file, and takes pictures of the pages."""
