"""The networks: recurrent cells, the character LSTM, the classifier; nothing of files or runs.

May import `data` and `errors`.
"""
