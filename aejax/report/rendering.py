"""Pages from the Jinja templates in `templates/`, which get plain values and finished tables."""

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@functools.cache
def _environment(*, escape: bool) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only commands that write pages need it

    return Environment(
        loader=PackageLoader("aejax.report"),
        undefined=StrictUndefined,
        autoescape=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_template(template: str, /, **values: Any) -> str:
    """Returns a template of Markdown with these values filled in; a value that is missing raises."""
    return _environment(escape=False).get_template(template).render(values)


def render_html(template: str, /, **values: Any) -> str:
    """Returns a template of HTML likewise, with every value escaped that the template does not mark as safe."""
    return _environment(escape=True).get_template(template).render(values)
