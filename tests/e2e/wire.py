# SPDX-License-Identifier: Apache-2.0
"""
Protobuf's wire format, read without a schema: what the encoders write must make sense to others than their own library.
"""


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def packed(data):
    """The numbers of a repeated field."""
    values, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


class Message:
    """Fields by number, each a list of numbers and byte strings."""

    def __init__(self, data):
        self.fields, at = {}, 0
        while at < len(data):
            tag, at = varint(data, at)
            kind = tag & 7
            if kind == 0:
                value, at = varint(data, at)
            elif kind == 2:
                size, at = varint(data, at)
                value, at = data[at : at + size], at + size
                assert len(value) == size, "cut off"
            else:
                size = {1: 8, 5: 4}[kind]
                value, at = int.from_bytes(data[at : at + size], "little"), at + size
            self.fields.setdefault(tag >> 3, []).append(value)

    def number(self, field):
        return self.fields.get(field, [0])[-1]

    def numbers(self, field):
        return [n for value in self.fields.get(field, []) for n in (packed(value) if isinstance(value, bytes) else [value])]

    def texts(self, field):
        return [value.decode("utf-8") for value in self.fields.get(field, [])]

    def messages(self, field):
        return [Message(value) for value in self.fields.get(field, [])]
