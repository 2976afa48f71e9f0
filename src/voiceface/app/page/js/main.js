// The page: one voice, and four things to make of it.

import { loadAbout, setToken } from "./api.js";
import { setUpClip } from "./clip.js";
import { byId, show } from "./elements.js";
import { setUpGallery, tellGallery } from "./gallery.js";
import { setUpImagine } from "./imagine.js";
import { setUpMatch } from "./match.js";
import { select, setUpTabs } from "./tabs.js";
import { setUpVoice, voice } from "./voice.js";

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

function askForVoice() {
  show(byId("match-own"), voice.file);
  for (const button of document.querySelectorAll("[data-needs=voice]")) {
    button.disabled = !voice.file || button.form.classList.contains("working");
  }
}

async function greet() {
  try {
    const { models, version, gallery, limits } = await loadAbout();
    const names = Object.entries(models).map(([kind, model]) => `${kind} ${model.name} (${model.fingerprint.slice(0, 8)})`);
    byId("models").textContent = [`voiceface ${version}`, ...names].join(" · ");
    document.querySelector("#imagine [name=n]").max = limits.faces;
    show(byId("token"), false);
    show(byId("tab-gallery"), gallery);
    if (gallery) await tellGallery();
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
askForVoice();
voice.changed.addEventListener("change", askForVoice);
for (const form of document.querySelectorAll("form")) form.addEventListener("idle", askForVoice);
byId("token").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(byId("token-value").value);
  greet();
});
byId("where").textContent = LOCAL.includes(location.hostname)
  ? "Nothing leaves this computer, and nothing is kept."
  : `Files go to ${location.hostname}, which keeps none of them.`;
greet();
