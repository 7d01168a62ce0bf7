"""Pages from the Jinja templates in `templates/`, which get plain values and finished tables."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

TEMPLATES = Environment(
    loader=PackageLoader("aejax.report"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html.j2"]),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render_template(template: str, /, **values: Any) -> str:
    """Returns a template with these values filled in; a value that is missing raises.

    A template of HTML escapes every value that it does not mark as safe.
    """
    return TEMPLATES.get_template(template).render(values)
