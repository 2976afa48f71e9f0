// A place for pictures or recordings: chosen, dropped, shown, taken out again.

import { Addresses, make } from "./elements.js";
import { acceptDrops } from "./voice.js";

export class Files {
  files = [];
  #addresses = new Addresses();

  // `kind` is picture or recording; `several` whether there may be more than one.
  constructor(zone, { kind, several, label }) {
    this.several = several;
    this.kind = kind;
    const accept = kind === "picture" ? "image/*,.heic,.heif" : "audio/*,video/*";
    const input = make("input", { type: "file", accept, multiple: several });
    input.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = "";
    });
    this.list = make("ul", { className: `chosen-files ${kind}s` });
    const hint = make("span", { className: "soft dropping" }, several ? "or drop them here" : "or drop one here");
    zone.append(make("div", { className: "row" }, make("label", { className: "button" }, input, ` ${label}`), hint), this.list);
    acceptDrops(zone, (files) => this.add(files));
  }

  add(files) {
    this.files = this.several ? [...this.files, ...files] : files.slice(0, 1);
    this.#render();
  }

  clear() {
    this.files = [];
    this.#render();
  }

  #render() {
    this.#addresses.free();
    this.list.replaceChildren(...this.files.map((file, index) => this.#item(file, index)));
  }

  #item(file, index) {
    const out = make("button", { type: "button", className: "out", ariaLabel: `Take out ${file.name}`, title: "Take out" }, "×");
    out.addEventListener("click", () => {
      this.files.splice(index, 1);
      this.#render();
      (this.list.querySelectorAll("button")[Math.max(0, index - 1)] ?? this.list.parentElement.querySelector("input")).focus();
    });
    const name = make("span", { className: "name" }, file.name);
    return make("li", {}, ...(this.kind === "picture" ? [thumbnail(file, this.#addresses)] : []), name, out);
  }
}

// A small picture; where the browser cannot show the format (HEIC), its ending instead.
export function thumbnail(file, addresses) {
  const image = make("img", { className: "thumb", alt: "", src: addresses.of(file) });
  image.addEventListener("error", () => {
    const ending = file.name.split(".").pop().slice(0, 4).toUpperCase();
    image.replaceWith(make("span", { className: "thumb none", ariaHidden: "true" }, ending));
  });
  return image;
}
