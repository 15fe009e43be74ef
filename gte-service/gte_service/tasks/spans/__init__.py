"""Parts of a text: its sentences, its words, and the entities it names, each with its place in the original text."""
