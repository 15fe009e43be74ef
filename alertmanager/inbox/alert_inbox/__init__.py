"""Alert inbox: keeps every notification that Alertmanager sends and shows it to a person."""
