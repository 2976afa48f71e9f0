// Faces ranked for the voice, or voices for a face.

import { post } from "./api.js";
import { Addresses, byId, make, show } from "./elements.js";
import { Files, thumbnail } from "./files.js";
import { voice } from "./voice.js";
import { onSend, ranked, share, warnings } from "./work.js";

const MEANING = "The percentage is the probability that voice and face are one person’s if half of all pairs were: a statistical hint, no proof.";
const addresses = new Addresses();

export function setUpMatch() {
  const form = byId("match");
  const pictures = new Files(byId("match-pictures"), { kind: "picture", several: true, label: "Choose pictures" });
  const picture = new Files(byId("match-picture"), { kind: "picture", several: false, label: "Choose a picture" });
  const recordings = new Files(byId("match-recordings"), { kind: "recording", several: true, label: "Choose recordings" });
  form.addEventListener("change", () => {
    const faces = form.elements.direction.value === "faces";
    show(byId("match-faces"), faces);
    show(byId("match-voices"), !faces);
  });
  onSend(form, async (signal, progress) => {
    const faces = form.elements.direction.value === "faces";
    const candidates = faces ? pictures.files : [...(voice.file ? [voice.file] : []), ...recordings.files];
    if (faces && !voice.file) throw new Error("Record or choose a voice above.");
    if (!faces && !picture.files.length) throw new Error("Choose a picture that shows the face.");
    if (!candidates.length) throw new Error(faces ? "Choose the pictures to rank." : "Choose the recordings to rank.");
    progress(`Looking at ${candidates.length} ${faces ? "picture" : "recording"}${candidates.length > 1 ? "s" : ""}`);
    const fields = faces ? { voice: voice.file, faces: candidates } : { face: picture.files, voices: candidates };
    const answer = await post("/v1/match", fields, { signal, waiting: () => progress("Waiting for the server, which is busy") });
    addresses.free();
    const rows = answer.ranking.map((one) =>
      ranked({
        place: one.rank,
        picture: faces ? [thumbnail(candidates[one.index], addresses)] : [],
        name: one.name,
        value: one.probability,
        figure: share(one.probability),
      }),
    );
    const unusable = answer.unusable.map((one) => make("li", {}, one.reason));
    form.querySelector(".result").replaceChildren(
      make("h3", {}, faces ? "Best face first" : "Best voice first"),
      make("ol", { className: "ranking" }, ...rows),
      ...(unusable.length ? [make("div", { className: "warning" }, make("p", {}, "Left out"), make("ul", {}, ...unusable))] : []),
      ...warnings(answer.warnings),
      make("p", { className: "soft" }, MEANING),
    );
  });
}
