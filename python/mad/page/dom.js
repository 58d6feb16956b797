// Builds elements. Text never becomes markup, because it is only set as text.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "style") {
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** An HTML element: `h("a", { href: "#/" }, "text")`. */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An SVG element. */
export function s(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** Says something to screen readers. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** Puts the focus on the first heading of the view, as after a page change. */
export function focusView() {
  const view = document.getElementById("view");
  const heading = view.querySelector("h1") ?? view;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}
