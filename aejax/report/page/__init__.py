"""The parts of `report.html`: charts as SVG elements, tables, pictures of examples, and the sections of each run."""
