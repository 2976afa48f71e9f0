// One piece of work of a form: its progress, its cancellation, its error, its result.

import { make } from "./elements.js";

// Runs `work(signal, progress)` when the form is sent; `progress(text, done, total)` shows how far it is.
export function onSend(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.classList.contains("working")) return;
    const stop = new AbortController();
    const status = form.querySelector(".status");
    const button = form.querySelector("button:not([type=button])");
    const shown = begin(status, () => stop.abort());
    form.classList.add("working");
    form.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      await work(stop.signal, shown.progress);
      status.replaceChildren();
    } catch (error) {
      status.replaceChildren(error.name === "AbortError" ? "" : make("p", { className: "error", role: "alert" }, error.message));
    } finally {
      shown.end();
      form.classList.remove("working");
      form.removeAttribute("aria-busy");
      button.disabled = false;
      form.dispatchEvent(new Event("idle"));
    }
  });
}

function begin(status, cancel) {
  const bar = make("progress", { max: 1, ariaLabel: "Progress" });
  const text = make("span", {}, "Working");
  const time = make("span", { className: "soft", ariaHidden: "true" });
  const stop = make("button", { type: "button", className: "quiet" }, "Cancel");
  stop.addEventListener("click", cancel);
  status.replaceChildren(make("div", { className: "progress" }, bar, make("p", {}, text, " ", time), stop));
  const started = performance.now();
  const timer = setInterval(() => {
    time.textContent = `${Math.round((performance.now() - started) / 1000)} s`;
  }, 1000);
  return {
    progress(line, done = 0, total = 0) {
      if (text.textContent !== line) text.textContent = line;
      if (total > 0) bar.value = Math.min(1, done / total);
      else bar.removeAttribute("value");
    },
    end: () => clearInterval(timer),
  };
}

export const warnings = (lines) => (lines?.length ? [make("p", { className: "warning" }, lines.join(" "))] : []);

// Files that could not be used, each with its reason.
export function leftOut(unusable) {
  if (!unusable?.length) return [];
  const items = unusable.map((one) => make("li", {}, one.reason));
  return [make("div", { className: "warning" }, make("p", {}, "Left out"), make("ul", {}, ...items))];
}

// A probability in per cent; not 0 or 100 where it is neither.
export function share(value) {
  if (value > 0 && value < 0.01) return "under 1 %";
  if (value > 0.99 && value < 1) return "over 99 %";
  return `${Math.round(100 * value)} %`;
}

// A row of a ranking: place (none outside one), picture, name and what stands below it, a bar, a figure.
export function ranked({ place = 0, picture = [], name, below = "", value, figure }) {
  const bar = make("div", { className: "bar", ariaHidden: "true" }, make("i"));
  bar.firstElementChild.style.setProperty("--value", String(Math.max(0, Math.min(1, value))));
  const words = make("div", { className: "grow" }, make("p", { className: "name" }, name), ...(below ? [make("p", { className: "soft" }, below)] : []), bar);
  return make("li", {}, ...(place ? [make("span", { className: "place" }, String(place))] : []), ...picture, words, make("span", { className: "figure" }, figure));
}
