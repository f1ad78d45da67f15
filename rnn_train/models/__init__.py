"""The networks: recurrent cells, the character LSTM and the classifier. No files, no runs.

May import `data` and `errors`.
"""
