"""Programs that were compiled before are not compiled again: two thirds of the suite's time is XLA's.

Tests train the same small models again and again, each time from functions of their own, which JAX traces and compiles
anew. The traced text says all that the compiler sees; where it is known, the executable is, too. Tracing, and all that
a trace depends on, goes on as ever.
"""

import functools
from collections import OrderedDict
from typing import Any

import jax._src.compiler as jax_compiler  # no public name: where it is called otherwise, everything is compiled anew

MOST = 1024  # programs that are kept, of those that were used last


def reuse_compiled_programs() -> None:
    """Have this process keep what XLA has compiled, by the program's text, devices and options."""
    compile_anew = getattr(jax_compiler, "backend_compile_and_load", None)
    if compile_anew is None:
        return
    kept: OrderedDict[tuple[str, str, bytes], Any] = OrderedDict()

    @functools.wraps(compile_anew)
    def compile_once(backend, module, executable_devices, options, host_callbacks):
        text = module.operation.get_asm(enable_debug_info=False)
        if host_callbacks or "callback" in text:  # they belong to the function that was traced
            return compile_anew(backend, module, executable_devices, options, host_callbacks)
        key = (text, f"{backend.platform} {executable_devices}", options.SerializeAsString())
        if key not in kept:
            kept[key] = compile_anew(backend, module, executable_devices, options, host_callbacks)
        kept.move_to_end(key)
        if len(kept) > MOST:
            kept.popitem(last=False)
        return kept[key]

    jax_compiler.backend_compile_and_load = compile_once
