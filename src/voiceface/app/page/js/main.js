// The page: one voice, and what to make of it.

import { loadAbout, setToken } from "./api.js";
import { setUpClip } from "./clip.js";
import { setUpCorpus } from "./corpus.js";
import { byId, show } from "./elements.js";
import { setUpGallery } from "./gallery.js";
import { setUpImagine } from "./imagine.js";
import { setUpMatch } from "./match.js";
import { select, setUpTabs } from "./tabs.js";
import { setUpVoice, voice } from "./voice.js";

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

function askForVoice() {
  for (const button of document.querySelectorAll("[data-needs=voice]")) {
    button.disabled = !voice.file || button.form.classList.contains("working");
  }
}

function tellWhere(gallery) {
  const but = gallery ? " but the people whom you add to its gallery" : "";
  byId("where").textContent = LOCAL.includes(location.hostname)
    ? `Nothing leaves this computer, and nothing is kept${but}.`
    : `Files go to ${location.hostname}, which keeps nothing${but}.`;
}

async function greet() {
  try {
    const { models, version, gallery, corpus, limits } = await loadAbout();
    const names = Object.entries(models).map(([kind, model]) => `${kind} ${model.name} (${model.fingerprint.slice(0, 8)})`);
    byId("models").textContent = [`voiceface ${version}`, ...names].join(" · ");
    document.querySelector("#imagine [name=n]").max = limits.faces;
    show(byId("token"), false);
    show(byId("tab-gallery"), gallery);
    show(byId("tab-corpus"), corpus);
    tellWhere(gallery);
  } catch (error) {
    show(byId("token"), error.status === 401);
    byId("models").textContent = error.message;
    if (error.status === 401) byId("token-value").focus();
  }
}

setUpTabs();
setUpVoice();
const animate = setUpClip();
setUpImagine((file) => {
  animate(file);
  select(byId("tab-clip"), { focus: true });
});
setUpMatch();
setUpGallery();
setUpCorpus();
askForVoice();
voice.changed.addEventListener("change", askForVoice);
for (const form of document.querySelectorAll("form")) form.addEventListener("idle", askForVoice);
byId("token").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(byId("token-value").value);
  greet();
});
greet();
