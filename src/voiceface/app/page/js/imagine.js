// Faces that could go with the voice.

import { post } from "./api.js";
import { Addresses, byId, make } from "./elements.js";
import { voice } from "./voice.js";
import { onSend, warnings } from "./work.js";

const addresses = new Addresses();

export function setUpImagine(letTalk) {
  const form = byId("imagine");
  voice.changed.addEventListener("change", () => clear(form));
  onSend(form, async (signal, progress) => {
    const { n, seed, size } = Object.fromEntries(new FormData(form));
    progress("Imagining faces");
    const waiting = () => progress("Waiting for the server, which is busy");
    const answer = await post("/v1/imagine", { voice: voice.file, n, seed, size }, { signal, waiting });
    clear(form);
    const faces = await Promise.all(answer.faces.map((face) => fileOf(face.png)));
    const items = faces.map((file, index) => item(file, index, faces.length, answer, letTalk));
    const another = make("button", { type: "button", className: "quiet" }, "Imagine others");
    another.addEventListener("click", () => {
      form.elements.seed.value = String(Number(form.elements.seed.value) + 1);
      form.requestSubmit();
    });
    form.querySelector(".result").append(
      ...warnings(answer.warnings),
      make("ul", { className: "faces" }, ...items),
      make("div", { className: "row" }, another, make("span", { className: "soft" }, `Random seed ${answer.seed}, by ${answer.model}`)),
    );
  });
}

function clear(form) {
  addresses.free();
  form.querySelector(".result").replaceChildren();
}

async function fileOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
  return new File([bytes], "face.png", { type: "image/png" });
}

function item(file, index, count, answer, letTalk) {
  const name = `imagined-seed${answer.seed}-${index + 1}.png`;
  const address = addresses.of(file);
  const face = `imagined face ${index + 1}`;
  const image = make("img", { src: address, alt: `Imagined face ${index + 1} of ${count}`, width: 256, height: 256 });
  const talk = make("button", { type: "button", className: "link", ariaLabel: `Let ${face} talk` }, "Talk");
  talk.addEventListener("click", () => letTalk(new File([file], name, { type: "image/png" })));
  const save = make("a", { href: address, download: name, ariaLabel: `Download ${face}` }, "Download");
  return make("li", {}, image, make("div", { className: "under" }, save, talk));
}
