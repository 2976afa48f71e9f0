// The voice compared with faces, or a face with voices; of several the best first.

import { post } from "./api.js";
import { Addresses, byId, count, make, show } from "./elements.js";
import { Files, thumbnail } from "./files.js";
import { voice } from "./voice.js";
import { leftOut, onSend, ranked, share, warnings } from "./work.js";

const MEANING = "The percentage is the probability that voice and face are one person’s if half of all pairs were: a statistical hint, no proof.";
const BUTTONS = { faces: "Rank the faces", voices: "Rank the voices", pair: "Compare" };
const addresses = new Addresses();

export function setUpMatch() {
  const form = byId("match");
  const pictures = new Files(byId("match-pictures"), { kind: "picture", several: true, label: "Choose pictures" });
  const picture = new Files(byId("match-picture"), { kind: "picture", several: false, label: "Choose a picture" });
  const recordings = new Files(byId("match-recordings"), { kind: "recording", several: true, label: "Choose recordings" });
  const choose = () => {
    const of = form.elements.of.value;
    show(byId("match-pictures"), of === "faces");
    show(byId("match-picture"), of !== "faces");
    show(byId("match-recordings"), of === "voices");
    show(byId("match-own"), of === "voices" && voice.file);
    byId("match-button").textContent = BUTTONS[of];
  };
  for (const one of form.elements.of) {
    one.addEventListener("change", () => {
      choose();
      form.querySelector(".result").replaceChildren();
    });
  }
  voice.changed.addEventListener("change", () => {
    choose();
    form.querySelector(".result").replaceChildren();
  });
  onSend(form, async (signal, progress) => {
    const of = form.elements.of.value;
    if (of !== "voices" && !voice.file) throw new Error("Record or choose a voice above.");
    if (of !== "faces" && !picture.files.length) throw new Error("Choose a picture that shows the face.");
    const ask = (address, fields) => post(address, fields, { signal, waiting: () => progress("Waiting for the server, which is busy") });
    addresses.free();
    if (of === "pair") {
      progress("Comparing");
      const answer = await ask("/v1/verify", { voice: voice.file, face: picture.files });
      form.querySelector(".result").replaceChildren(...pair(answer, picture.files[0]));
      return;
    }
    const candidates = of === "faces" ? pictures.files : [...(voice.file ? [voice.file] : []), ...recordings.files];
    if (!candidates.length) throw new Error(of === "faces" ? "Choose the pictures to rank." : "Choose the recordings to rank.");
    progress(`Looking at ${count(candidates.length, of === "faces" ? "picture" : "recording")}`);
    const answer = await ask("/v1/match", of === "faces" ? { voice: voice.file, faces: candidates } : { face: picture.files, voices: candidates });
    form.querySelector(".result").replaceChildren(...ranking(answer, of, candidates));
  });
}

function pair(answer, face) {
  const row = ranked({
    picture: [thumbnail(face, addresses)],
    name: "Voice and face are one person’s",
    value: answer.probability,
    figure: share(answer.probability),
  });
  return [make("h3", {}, "How well they go together"), make("ul", { className: "ranking" }, row), ...warnings(answer.warnings), make("p", { className: "soft" }, MEANING)];
}

function ranking(answer, of, candidates) {
  const rows = answer.ranking.map((one) =>
    ranked({
      place: one.rank,
      picture: of === "faces" ? [thumbnail(candidates[one.index], addresses)] : [],
      name: one.name,
      value: one.probability,
      figure: share(one.probability),
    }),
  );
  return [
    make("h3", {}, of === "faces" ? "Best face first" : "Best voice first"),
    make("ol", { className: "ranking" }, ...rows),
    ...leftOut(answer.unusable),
    ...warnings(answer.warnings),
    make("p", { className: "soft" }, MEANING),
  ];
}
