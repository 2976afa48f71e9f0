// A clip in which a face says the recording: a job on the server, with progress.

import { getBlob, getJson, pause, post, remove, sentence } from "./api.js";
import { Addresses, byId, make, show } from "./elements.js";
import { Files } from "./files.js";
import { voice } from "./voice.js";
import { onSend, warnings } from "./work.js";

const addresses = new Addresses();

export function setUpClip() {
  const form = byId("clip");
  const picture = new Files(byId("clip-face"), { kind: "picture", several: false, label: "Choose a picture" });
  const choose = () => show(byId("clip-face"), form.elements.whose.value === "picture");
  form.addEventListener("change", choose);
  voice.changed.addEventListener("change", () => clear(form));
  onSend(form, async (signal, progress) => {
    const given = form.elements.whose.value === "picture";
    if (given && !picture.files.length) throw new Error("Choose a picture that shows the face.");
    const { seed, size } = Object.fromEntries(new FormData(form));
    const fields = { voice: voice.file, face: given ? picture.files : [], seed, size };
    progress("Beginning");
    const job = await post("/v1/animate", fields, { signal, waiting: () => progress("Waiting for the server, which is busy") });
    const address = `/v1/animate/${job.id}`;
    try {
      const done = await finished(address, signal, progress);
      const file = await getBlob(done.clip, signal);
      clear(form);
      form.querySelector(".result").append(...warnings(done.warnings), clipOf(file, done));
    } finally {
      remove(address).catch(() => {}); // it is gone in ten minutes anyway
    }
  });
  return (file) => {
    form.elements.whose.value = "picture";
    picture.add([file]);
    choose();
  };
}

async function finished(address, signal, progress) {
  for (;;) {
    const job = await getJson(address, signal);
    const { done, total } = job.progress;
    if (job.state === "done") return job;
    if (job.state === "failed") throw new Error(sentence(job));
    if (job.state === "cancelled") throw new Error("The clip was cancelled.");
    if (job.state === "queued") progress(job.waiting_before ? `Waiting: ${job.waiting_before} before this` : "Waiting");
    else if (total) progress(`Frame ${done} of ${total}`, done, total);
    else progress("Listening to the recording");
    await pause(400, signal);
  }
}

function clear(form) {
  addresses.free();
  form.querySelector(".result").replaceChildren();
}

function clipOf(file, job) {
  const address = addresses.of(file);
  const video = make("video", { src: address, controls: true, playsInline: true, ariaLabel: "The clip: a face says the recording" });
  const save = make("a", { className: "button", href: address, download: "clip.mp4" }, "Download the clip");
  const facts = `${job.seconds.toFixed(1)} s, ${job.frames} frames, by ${job.model}`;
  return make("div", { className: "clip" }, video, make("div", { className: "row" }, save, make("span", { className: "soft" }, facts)));
}
