"""A broken rule of the file format, said in words; who reads the file adds its name."""

from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from rnn_infer.modelfile import onnx_proto


class ViolationError(Exception):
    """A broken rule; the caller adds the file's name."""


def damaged(what: str) -> ViolationError:
    """The file is not what its writer wrote."""
    return ViolationError(f"damaged or not an ONNX file: {what}")


def foreign(what: str) -> ViolationError:
    """The file is another program's."""
    return ViolationError(f"not a model made by rnn-train: {what}")


def check_fields(message: Any, where: str) -> None:
    """No field the format does not know, and texts in UTF-8; messages inside are not visited."""
    if len(UnknownFieldSet(message)):
        raise foreign(f"{where} holds fields the format does not know")
    for name in onnx_proto.TEXT_FIELDS[message.DESCRIPTOR.name]:
        value = getattr(message, name)
        for each in (value,) if isinstance(value, bytes) else value:
            plain_text(each, f"{name} of {where}")


def plain_text(data: bytes, where: str) -> str:
    """A name of the file as text."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise damaged(f"{where} is not UTF-8") from None
