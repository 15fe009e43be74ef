"""Makes the tests beside the configuration importable; Prometheus itself reads only the YAML files."""
