"""What tasks compare with: texts in data files, their vectors, and how likely a comparison makes a label."""
