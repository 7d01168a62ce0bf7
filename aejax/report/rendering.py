"""Pages from the Jinja templates in `templates/`, which get plain values and finished tables."""

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only commands that write pages need it

    return Environment(
        loader=PackageLoader("aejax.report"),
        undefined=StrictUndefined,
        autoescape=False,  # pages are Markdown
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_template(template: str, /, **values: Any) -> str:
    """Returns a template with these values filled in; a value that is missing raises."""
    return _environment().get_template(template).render(values)
