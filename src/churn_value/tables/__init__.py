"""The table contract: what a company's tables must hold, opening them, cleaning them, setting bad rows aside."""
