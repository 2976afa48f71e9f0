// Tabs with the keys that the ARIA Authoring Practices give them: arrows, Home, End.

import { byId, show } from "./elements.js";

const tabs = () => [...document.querySelectorAll("[role=tab]:not([hidden])")];

export function setUpTabs() {
  document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
    const all = tabs();
    const at = all.indexOf(document.activeElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    select(all[(next + all.length) % all.length], { focus: true });
  });
  for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => select(tab));
}

export function select(tab, { focus = false } = {}) {
  for (const other of document.querySelectorAll("[role=tab]")) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    show(byId(other.getAttribute("aria-controls")), chosen);
  }
  byId(tab.getAttribute("aria-controls")).dispatchEvent(new Event("shown"));
  if (focus) tab.focus();
}
