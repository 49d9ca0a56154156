"""One design for every page and mail: tokens, styles, the page's frame, components.

`tokens.toml` has the values, `styles/` the rules, `templates/` the frame (`page.html`) and the
components (macros of `components.html`). Faces add templates and, where they need them, a few rules
of their own; docs/design.md says how.
May import `contracts` alone.
"""
