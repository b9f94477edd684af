"""Whom to contact with a given budget, and what the contact has changed."""
