// The people of the server's gallery: searched by the voice or by a picture, added, listed, removed.

import { getJson, post, remove } from "./api.js";
import { byId, count, make, show } from "./elements.js";
import { Files } from "./files.js";
import { voice } from "./voice.js";
import { leftOut, onSend, ranked, share, warnings } from "./work.js";

const NAMED = 50;
const busy = (progress) => () => progress("Waiting for the server, which is busy");

export function setUpGallery() {
  setUpSearch();
  setUpAdding();
  byId("gallery").addEventListener("shown", tellPeople);
  const form = byId("gallery-people");
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(tellPeople, 250);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tellPeople();
  });
}

function setUpSearch() {
  const form = byId("gallery-search");
  const picture = new Files(byId("gallery-face"), { kind: "picture", several: false, label: "Choose a picture" });
  form.addEventListener("change", () => show(byId("gallery-face"), form.elements.by.value === "face"));
  voice.changed.addEventListener("change", () => form.querySelector(".result").replaceChildren());
  onSend(form, async (signal, progress) => {
    const byVoice = form.elements.by.value === "voice";
    if (byVoice && !voice.file) throw new Error("Record or choose a voice above.");
    if (!byVoice && !picture.files.length) throw new Error("Choose a picture that shows the face.");
    progress("Searching");
    const fields = { ...(byVoice ? { voice: voice.file } : { face: picture.files }), k: form.elements.k.value };
    const answer = await post("/v1/gallery/search", fields, { signal, waiting: busy(progress) });
    const rows = answer.hits.map((hit) =>
      ranked({
        place: hit.rank,
        name: hit.person,
        below: `${hit.kind === "face" ? "Picture" : "Recording"} ${hit.file}`,
        value: hit.probability ?? hit.similarity,
        figure: hit.probability == null ? hit.similarity.toFixed(2) : share(hit.probability),
      }),
    );
    const none = byVoice ? "The gallery has no faces." : "The gallery has no voices.";
    form.querySelector(".result").replaceChildren(
      ...warnings(answer.warnings),
      make("h4", {}, byVoice ? "Faces that go best with the voice" : "Voices that go best with the face"),
      rows.length ? make("ol", { className: "ranking" }, ...rows) : make("p", { className: "soft" }, none),
      make("p", { className: "soft" }, "The percentage is the probability that both are one person’s if half of all pairs were. The best of many is often wrong."),
    );
  });
}

function setUpAdding() {
  const form = byId("gallery-add");
  const pictures = new Files(byId("gallery-pictures"), { kind: "picture", several: true, label: "Choose pictures" });
  const recordings = new Files(byId("gallery-recordings"), { kind: "recording", several: true, label: "Choose recordings" });
  voice.changed.addEventListener("change", () => {
    show(byId("gallery-own"), Boolean(voice.file));
    form.elements.own.checked = false;
  });
  onSend(form, async (signal, progress) => {
    const person = form.elements.person.value.trim();
    const voices = [...(form.elements.own.checked ? [voice.file] : []), ...recordings.files];
    if (!person) throw new Error("Give a name.");
    if (!voices.length && !pictures.files.length) throw new Error("Choose pictures or recordings of the person.");
    progress(`Adding ${count(voices.length + pictures.files.length, "file")}`);
    const address = addressOf(person);
    const answer = await post(address, { voices, faces: pictures.files }, { signal, waiting: busy(progress) });
    const there = answer.already_present ? `; ${answer.already_present} there before` : "";
    form.querySelector(".result").replaceChildren(
      make("p", { className: "done", role: "status" }, `${count(answer.added, "item")} of ${person} added${there}.`),
      ...leftOut(answer.unusable),
    );
    form.reset();
    pictures.clear();
    recordings.clear();
    await tellPeople();
  });
}

const addressOf = (person) => `/v1/gallery/people/${encodeURIComponent(person)}`;

// Shows how many people there are, and those whose names hold what is looked for.
export async function tellPeople() {
  const looked = byId("gallery-people").elements.part.value;
  const query = new URLSearchParams({ contains: looked, limit: NAMED });
  try {
    const [{ items, people }, found] = await Promise.all([getJson("/v1/gallery"), getJson(`/v1/gallery/people?${query}`)]);
    byId("gallery-size").textContent = people
      ? `The server’s gallery has ${count(items, "item")} (voices and faces) of ${people === 1 ? "1 person" : `${people.toLocaleString("en")} people`}.`
      : "The server’s gallery is empty: add somebody below.";
    byId("gallery-list").replaceChildren(...found.people.map(row));
    const more = found.total - found.people.length;
    tell(more > 0 ? `and ${more.toLocaleString("en")} more: type a part of the name` : looked && !found.total ? "Nobody’s name holds that." : "");
  } catch (error) {
    fault(error);
  }
}

function row({ person, items }) {
  const name = make("p", { className: "name grow" }, person);
  const out = make("button", { type: "button", className: "link", ariaLabel: `Remove ${person}` }, "Remove");
  const line = make("li", {}, name, make("span", { className: "soft" }, count(items, "item")), out);
  out.addEventListener("click", () => {
    const sure = make("button", { type: "button", className: "danger" }, "Remove for good");
    const keep = make("button", { type: "button", className: "quiet" }, "Keep");
    const question = make("p", { className: "name grow" }, `Remove ${person} and ${count(items, "item")}?`);
    sure.addEventListener("click", () => take(person, items, sure));
    keep.addEventListener("click", () => {
      const again = row({ person, items });
      line.replaceWith(again);
      again.querySelector("button").focus();
    });
    line.replaceChildren(question, sure, keep);
    keep.focus();
  });
  return line;
}

async function take(person, items, button) {
  button.disabled = true;
  try {
    await remove(addressOf(person));
    for (const result of byId("gallery").querySelectorAll(".result")) result.replaceChildren(); // they may name them
    await tellPeople();
    tell(`${person} and ${count(items, "item")} are removed, from the server’s disk too.`);
    byId("gallery-people").elements.part.focus();
  } catch (error) {
    button.disabled = false;
    fault(error);
  }
}

function tell(line) {
  byId("gallery-told").textContent = line;
  show(byId("gallery-fault"), false);
}

function fault(error) {
  byId("gallery-fault").textContent = error.message;
  show(byId("gallery-fault"), true);
}
