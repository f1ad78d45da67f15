"""Text to tokens and back, and many texts of different lengths in one array.

May import `contract` and `errors` only.
"""
