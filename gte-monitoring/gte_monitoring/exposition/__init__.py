"""What the exporter reads from the files and from the system, and how it shows it."""
