"""The loss of an objective with its gradient, for tests."""

import functools

import jax


@functools.partial(jax.jit, static_argnums=0)
def loss_and_gradient(objective, variables, batch, key):
    """Returns `(loss, aux)` and the gradient of the parameters."""

    def loss(params):
        return objective.loss({**variables, "params": params}, batch, key)

    return jax.value_and_grad(loss, has_aux=True)(variables["params"])
