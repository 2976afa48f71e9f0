// The report of the server's corpus: how much of whom, what its check finds, what was rejected.

import { getJson } from "./api.js";
import { Addresses, byId, count, make, show } from "./elements.js";
import { onSend } from "./work.js";

const addresses = new Addresses();
const SEXES = { male: "Men", female: "Women", unknown: "Unknown", all: "All" };

export function setUpCorpus() {
  const form = byId("corpus");
  form.addEventListener("shown", () => {
    if (!form.querySelector(".result").hasChildNodes()) form.requestSubmit();
  });
  onSend(form, async (signal, progress) => {
    progress("Reading the corpus");
    const report = await getJson("/v1/corpus", signal);
    offer(report);
    form.querySelector(".result").replaceChildren(...shown(report));
  });
}

function offer(report) {
  addresses.free();
  const save = byId("corpus-save");
  save.href = addresses.of(new Blob([JSON.stringify(report, null, 2)], { type: "application/json" }));
  save.download = `${report.corpus}-report.json`;
  show(save, true);
}

function shown(report) {
  const all = report.statistics.at(-1);
  const state = report.complete ? "" : ", not finished";
  return [
    make("h3", { className: "first" }, report.corpus),
    make("p", { className: "soft" }, `Fingerprint ${report.fingerprint.slice(0, 16)}${state}`),
    make(
      "dl",
      { className: "tiles" },
      ...tile("people", report.people.toLocaleString("en")),
      ...tile("voices", report.voices.toLocaleString("en")),
      ...tile("faces", report.faces.toLocaleString("en")),
      ...tile("clips", report.clips.toLocaleString("en")),
      ...tile("of sound", duration(all.unique_seconds)),
    ),
    table(report.statistics),
    make("h3", {}, "Check"),
    findings(report.problems.filter((one) => one.what !== "rejected")),
    ...rejected(report),
  ];
}

const tile = (name, value) => [make("div", {}, make("dt", {}, name), make("dd", {}, value))];

function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  return seconds < 3600 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function table(lines) {
  const heads = ["", "People", "Voices", "Faces", "Clips", "Sound", "Sound counted once"];
  const rows = lines.map((line) => {
    const counts = [line.people, line.voices, line.faces, line.clips].map((value) => value.toLocaleString("en"));
    const cells = [...counts, duration(line.seconds), duration(line.unique_seconds)];
    return make("tr", {}, make("th", { scope: "row" }, SEXES[line.sex] ?? line.sex), ...cells.map((cell) => make("td", {}, cell)));
  });
  const head = make("tr", {}, ...heads.map((name) => make(name ? "th" : "td", name ? { scope: "col" } : {}, name)));
  const whole = make("table", {}, make("caption", {}, "Who is in it"), make("thead", {}, head), make("tbody", {}, ...rows));
  return make("div", { className: "wide", tabIndex: 0, role: "region", ariaLabel: "Who is in it" }, whole);
}

function findings(problems) {
  if (!problems.length) return make("p", { className: "soft" }, "No findings.");
  const items = problems.map((one) =>
    make("li", { className: one.severity }, make("b", {}, one.severity === "error" ? "Error: " : "Warning: "), `${one.what}: ${one.fault}; ${one.remedy}`),
  );
  return make("ul", { className: "findings" }, ...items);
}

function rejected({ rejected_files: all, rejected: named }) {
  if (!all) return [];
  const items = named.map((one) => make("li", {}, make("b", {}, one.path), make("span", { className: "soft" }, ` ${one.reason}`)));
  const more = all > named.length ? [make("p", { className: "soft" }, `and ${(all - named.length).toLocaleString("en")} more`)] : [];
  return [make("details", {}, make("summary", {}, `${count(all, "file")} rejected`), make("ul", { className: "findings" }, ...items), ...more)];
}
