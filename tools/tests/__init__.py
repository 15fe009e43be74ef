"""Tests of what the tools share, and the stack that several tools are tried on."""
