// Making and finding elements; text is always set as text, never read as HTML.

export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function show(element, visible) {
  element.hidden = !visible;
}

export const count = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;

// Addresses of files in memory, given back when what shows them is replaced.
export class Addresses {
  #all = [];

  of(blob) {
    const address = URL.createObjectURL(blob);
    this.#all.push(address);
    return address;
  }

  free() {
    this.#all.splice(0).forEach((address) => URL.revokeObjectURL(address));
  }
}
