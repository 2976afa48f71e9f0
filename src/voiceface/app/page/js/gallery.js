// The people of the server's gallery, searched by the voice or by a picture.

import { getJson, post } from "./api.js";
import { byId, make, show } from "./elements.js";
import { Files } from "./files.js";
import { voice } from "./voice.js";
import { onSend, ranked, share } from "./work.js";

export function setUpGallery() {
  const form = byId("gallery");
  const picture = new Files(byId("gallery-face"), { kind: "picture", several: false, label: "Choose a picture" });
  form.addEventListener("change", () => show(byId("gallery-face"), form.elements.by.value === "face"));
  onSend(form, async (signal, progress) => {
    const byVoice = form.elements.by.value === "voice";
    if (byVoice && !voice.file) throw new Error("Record or choose a voice above.");
    if (!byVoice && !picture.files.length) throw new Error("Choose a picture that shows the face.");
    progress("Searching");
    const fields = { ...(byVoice ? { voice: voice.file } : { face: picture.files }), k: form.elements.k.value };
    const answer = await post("/v1/gallery/search", fields, { signal, waiting: () => progress("Waiting for the server, which is busy") });
    const rows = answer.hits.map((hit) =>
      ranked({
        place: hit.rank,
        name: hit.person,
        below: `${hit.kind === "face" ? "Picture" : "Recording"} ${hit.file}`,
        value: hit.probability ?? hit.similarity,
        figure: hit.probability == null ? hit.similarity.toFixed(2) : share(hit.probability),
      }),
    );
    form.querySelector(".result").replaceChildren(
      make("h3", {}, byVoice ? "Faces that go best with the voice" : "Voices that go best with the face"),
      make("ol", { className: "ranking" }, ...rows),
      make("p", { className: "soft" }, "The percentage is the probability that both are one person’s if half of all pairs were. The best of many is often wrong."),
    );
  });
}

export async function tellGallery() {
  const { items, people } = await getJson("/v1/gallery");
  byId("gallery-size").textContent = `The server’s gallery has ${items} voices and faces of ${people} ${people === 1 ? "person" : "people"}.`;
}
