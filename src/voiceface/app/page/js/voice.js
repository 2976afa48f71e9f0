// The voice: recorded with the microphone, chosen or dropped. It stays in this page until it is used.

import { Addresses, byId, show } from "./elements.js";

const LONGEST_SECONDS = 120;
const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const FAULTS = {
  NotAllowedError: "The browser may not use the microphone. Allow it beside the address, or choose a recording.",
  NotFoundError: "There is no microphone. Connect one, or choose a recording.",
  NotReadableError: "The microphone is used by another program. Close that, or choose a recording.",
};

export const voice = { file: null, changed: new EventTarget() };
const addresses = new Addresses();
let recorder = null;

export function setUpVoice() {
  byId("record").addEventListener("click", () => (recorder ? recorder.stop() : record()));
  byId("voice-file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) use(file);
  });
  byId("voice-remove").addEventListener("click", () => {
    use(null);
    byId("record").focus();
  });
  acceptDrops(byId("voice-drop"), ([file]) => use(file));
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    byId("record").disabled = true;
    byId("voice-hint").textContent = "Browsers record only over https or on the server’s own machine; choose or drop a file.";
  }
}

export function acceptDrops(zone, take) {
  const over = (event) => {
    event.preventDefault();
    zone.classList.add("over");
  };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (files.length) take(files);
  });
}

function use(file, seconds = 0) {
  addresses.free();
  voice.file = file;
  tell("");
  show(byId("voice-drop"), !file);
  show(byId("voice-chosen"), Boolean(file));
  const player = byId("voice-player");
  if (file) {
    byId("voice-name").textContent = seconds ? `Recorded, ${seconds.toFixed(1)} s` : file.name;
    player.setAttribute("aria-label", `Listen to ${file.name}`);
    player.src = addresses.of(file);
  } else {
    player.removeAttribute("src");
    player.load();
  }
  voice.changed.dispatchEvent(new Event("change"));
}

async function record() {
  tell("");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false } });
  } catch (error) {
    tell(FAULTS[error.name] ?? `The microphone cannot be used (${error.name}). Choose a recording.`);
    return;
  }
  const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
  const parts = [];
  const started = performance.now();
  recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const stopMeter = meter(stream, (seconds) => {
    byId("record-label").textContent = `Stop (${seconds.toFixed(0)} s)`;
    if (seconds >= LONGEST_SECONDS) recorder?.stop();
  });
  recorder.addEventListener("stop", () => {
    const type = recorder.mimeType || "audio/webm";
    recorder = null;
    stopMeter();
    stream.getTracks().forEach((track) => track.stop());
    showRecording(false);
    const ending = type.includes("mp4") ? "m4a" : type.includes("ogg") ? "ogg" : "webm";
    use(new File(parts, `recording.${ending}`, { type }), (performance.now() - started) / 1000);
  });
  recorder.start();
  showRecording(true);
}

function showRecording(on) {
  byId("record").classList.toggle("recording", on);
  byId("record").setAttribute("aria-pressed", String(on));
  byId("record-label").textContent = on ? "Stop (0 s)" : "Record";
  show(byId("level"), on);
}

// The loudness of the microphone as the length of a bar, and the seconds so far.
function meter(stream, tick) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const started = performance.now();
  const bar = byId("level").firstElementChild;
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const loud = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
    const decibels = 20 * Math.log10(Math.max(loud, 1e-4));
    bar.style.setProperty("--level", String(Math.max(0, Math.min(1, (decibels + 60) / 50))));
    tick((performance.now() - started) / 1000);
  }, 100);
  return () => {
    clearInterval(timer);
    context.close();
  };
}

function tell(line) {
  byId("voice-error").textContent = line;
  show(byId("voice-error"), Boolean(line));
}
