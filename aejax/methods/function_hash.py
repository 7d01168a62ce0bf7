"""SHA-256 of functions and transformers of the user's: a run that was made from others is noticed.

A function is its code, its defaults, and the values and functions of the user's that it refers to; an object is its
type and its parameters, or else its text. Code of Python, of this package or of an installed package is its name. What
code reads elsewhere (files, attributes of modules), what objects keep in private attributes, and the values of arrays
beyond `MAX_BYTES`, have no part in the hash.
"""

import dataclasses
import dis
import enum
import functools
import hashlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np

PLAIN = bool | int | float | complex | str | bytes | range | slice | types.EllipsisType | None
BOUND = types.MethodType | types.BuiltinMethodType
MAX_BYTES = 2**28  # of an array of which the values are compared
INSTALLED = frozenset({"site-packages", "dist-packages"})  # folders of packages
Description = tuple[Any, ...]  # nested, of strings


def hash_function(function: Any) -> str:
    """Returns the SHA-256 of a function or a transformer; equal for equal ones under one version of Python.

    >>> hash_function(lambda x: x + 1) == hash_function(lambda x: x + 1)
    True
    >>> hash_function(lambda x: x + 1) == hash_function(lambda x: x + 2)
    False
    """
    return hashlib.sha256(repr(_describe(function, {})).encode(errors="surrogatepass")).hexdigest()


def _describe(value: Any, seen: dict[int, Any]) -> Description:
    """Returns a description that has no addresses and no line numbers.

    `seen` has by id the objects that are described already, which it keeps alive: no other one gets their id.
    """
    name = type(value).__qualname__
    if isinstance(value, PurePath):  # which is another one in another copy of the user's project
        return name, value.name
    if isinstance(value, PLAIN):
        return name, repr(value)
    if isinstance(value, list | tuple):
        return name, *(_describe(item, seen) for item in value)
    if isinstance(value, dict):
        return name, *((_describe(key, seen), _describe(item, seen)) for key, item in value.items())
    if isinstance(value, set | frozenset):  # the order of strings differs between processes
        return name, *sorted(repr(_describe(item, dict(seen))) for item in value)
    if isinstance(value, types.CodeType):
        return name, value.co_code.hex(), *value.co_names, _describe(value.co_consts, seen)
    array = _as_array(value)
    if array is not None and array.nbytes > MAX_BYTES:
        return name, array.shape, array.dtype.str
    if array is not None and array.dtype.kind == "O":
        return name, array.shape, _describe(array.tolist(), seen)
    if array is not None:
        values = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        return name, array.shape, array.dtype.str, hashlib.sha256(values).hexdigest()
    if id(value) in seen:
        return ("above",)
    seen[id(value)] = value
    return _name(value), *(_describe(part, seen) for part in _parts(value))


def _as_array(value: Any) -> np.ndarray | None:
    """Returns the values of an array of any framework; None for others, and for arrays that NumPy cannot read."""
    if isinstance(value, type) or not hasattr(value, "__array__"):
        return None
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)  # of PyTorch's tensors
    except (TypeError, ValueError, RuntimeError):  # a key of JAX, or a dtype that NumPy does not have
        return None


def _name(value: Any) -> str:
    """Returns the name of a function, a class or an object's class; the user's functions may move, and have none."""
    if isinstance(value, types.FunctionType) and _is_users(value.__globals__.get("__name__", "")):
        return "function"
    if isinstance(value, types.ModuleType):
        return value.__name__
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', None)}.{named.__qualname__}"


def _is_users(module: str) -> bool:
    """Returns whether code belongs to the user: neither to Python nor to this package or an installed one."""
    top = module.partition(".")[0]
    if top == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return top not in sys.stdlib_module_names and top != "aejax" and INSTALLED.isdisjoint(Path(file).parts)


def _parts(value: Any) -> Iterator[Any]:
    """Yields what a function, a class or an object consists of, and is to be described, too."""
    if isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, BOUND):
        yield from (getattr(value, "__func__", None), value.__self__)
    elif isinstance(value, types.FunctionType) and _is_users(value.__globals__.get("__name__", "")):
        yield from _parts_of_function(value)
    elif isinstance(value, type):
        yield from _parts_of_class(value)
    elif isinstance(value, property):
        yield from (value.fget, value.fset)
    elif hasattr(value, "__wrapped__"):  # by a decorator that is not the user's, such as `jax.jit`
        yield value.__wrapped__
    elif not isinstance(value, types.FunctionType | types.ModuleType):
        yield type(value)
        yield _state(value)


def _parts_of_function(function: types.FunctionType) -> Iterator[Any]:
    """Yields a function's code, its defaults, the values of its closure, and the globals that it names."""
    yield from (function.__code__, function.__defaults__, function.__kwdefaults__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # empty
            yield None
    for name in sorted(set(_global_names(function.__code__)) & function.__globals__.keys()):
        yield name
        yield function.__globals__[name]


def _global_names(code: types.CodeType) -> Iterator[str]:
    """Yields the names of globals that code, and the functions that it defines, reads; not those of attributes."""
    instructions = list(dis.get_instructions(code))
    stored = {one.argval for one in instructions if one.opname == "STORE_GLOBAL"}  # kept between calls
    yield from (one.argval for one in instructions if one.opname == "LOAD_GLOBAL" and one.argval not in stored)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _parts_of_class(cls: type) -> Iterator[Any]:
    """Yields the functions and the public values of a class of the user's, and its bases."""
    if _is_users(cls.__module__):
        for name, value in vars(cls).items():
            if isinstance(value, types.FunctionType | staticmethod | classmethod | property) or name[0] != "_":
                yield name
                yield value
        yield cls.__bases__


def _state(value: Any) -> Any:
    """Returns the parameters of an object: those of scikit-learn, of PyTorch, of a dataclass, or of a user's class."""
    if hasattr(value, "get_params"):
        fitted = {name: item for name, item in getattr(value, "__dict__", {}).items() if name.endswith("_")}
        return value.get_params(deep=False), {name: item for name, item in fitted.items() if name[0] != "_"}
    if hasattr(value, "state_dict"):
        return _text(value), dict(value.state_dict())
    if isinstance(value, enum.Enum):
        return value.name
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.name[0] != "_"]
        return {name: getattr(value, name) for name in names}
    if _is_users(type(value).__module__):
        return {name: item for name, item in getattr(value, "__dict__", {}).items() if name[0] != "_"}
    return _text(value)


def _text(value: Any) -> str:
    """Returns the text of an object; empty if it may differ between processes, by an address or the order of a set."""
    text = repr(value)
    return "" if " at 0x" in text or "{" in text else text
