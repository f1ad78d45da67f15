"""onnxruntime: find it, choose a device, and step a checked file.

May import `modelfile`, `text`, `sampling`, `contract` and `errors`. Knows nothing of prompts,
labels or the command line.
"""
