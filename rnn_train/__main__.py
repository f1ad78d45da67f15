"""`python -m rnn_train`: the command line."""

from rnn_train.cli import main

if __name__ == "__main__":
    main()
