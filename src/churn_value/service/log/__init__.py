"""The score log: what an entry holds, how entries are chained, checked and scored again."""
