"""The texts that tasks compare with: their data files, their vectors, and the probabilities of labels."""
