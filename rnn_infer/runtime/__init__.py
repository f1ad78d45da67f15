"""onnxruntime: finding it, choosing a device, stepping a checked file.

May import `modelfile`, `text`, `sampling`, `contract`, `errors`; knows nothing of prompts,
labels or command lines.
"""
