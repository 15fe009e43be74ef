"""Parts of a text: its sentences, its words, and the entities it names, each with its offsets in the original text."""
