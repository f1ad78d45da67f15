"""`python -m rnn_infer.cli`: the command line."""

from rnn_infer.cli import main

if __name__ == "__main__":
    main()
