"""Text to tokens and back, and texts of many lengths in one array.

May import `contract` and `errors` only.
"""
