"""The figures of the documentation, each drawn by one module as SVG.

`python -m docs.figures` draws them again; a test compares them with the committed files.
"""
