// Small ways to reach and to build elements. Text goes in as text: nothing here parses HTML.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Builds an element: properties, `data-*` and `aria-*` attributes, then children. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Writes text only where it differs, so that screen readers and selections are left in peace. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
