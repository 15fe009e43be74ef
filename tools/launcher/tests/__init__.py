"""Tests of the launcher. They need no network; those that need a container engine use the one of this host."""
