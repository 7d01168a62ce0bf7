"""What tests assert about every `InputError`."""

from collections.abc import Callable

import pytest

from aejax.errors import InputError


def error_message(call: Callable, *args: object, **kwargs: object) -> str:
    """Returns the message of the `InputError` that a call raises, which must be one line."""
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert message.isprintable()
    return message
