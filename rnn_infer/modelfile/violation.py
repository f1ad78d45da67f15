"""Violations of the file format. `reader` makes a `ModelFileError` with the file's name of them."""

from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from rnn_infer.modelfile import onnx_proto


class ViolationError(Exception):
    """A broken rule of the file format. The message does not have the file's name."""

    def __init__(self, detail: str, verdict: str = "") -> None:
        """Take the broken rule, and what it says about the file as a whole."""
        super().__init__(f"{verdict}: {detail}" if verdict else detail)
        self.detail = detail


def damaged(what: str) -> ViolationError:
    """Return the error for a file whose bytes were changed."""
    return ViolationError(what, "damaged or not an ONNX file")


def foreign(what: str) -> ViolationError:
    """Return the error for a file that another program wrote."""
    return ViolationError(what, "not a model made by rnn-train")


def check_fields(message: Any, where: str) -> None:
    """Check that a message has only known fields, and that its texts are UTF-8.

    It does not look into the messages inside the message.

    Raises:
        ViolationError: a field is unknown, or a text is not UTF-8.
    """
    if len(UnknownFieldSet(message)):
        raise foreign(f"{where} has fields that the format does not know")
    for name in onnx_proto.TEXT_FIELDS[message.DESCRIPTOR.name]:
        value = getattr(message, name)
        for each in (value,) if isinstance(value, bytes) else value:
            plain_text(each, f"{name} of {where}")


def plain_text(data: bytes, where: str) -> str:
    """Decode a text of the file.

    Raises:
        ViolationError: the bytes are not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise damaged(f"{where} is not UTF-8") from None
