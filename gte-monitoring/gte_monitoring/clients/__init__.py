"""How a server of ours talks to its clients: no thread waits for one that sends or reads slowly."""
