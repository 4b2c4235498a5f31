// What every page does: times in the reader's own zone, the theme button, copy buttons.

import { $, $$, copy, el } from "./dom.js";
import { ago, localTime } from "./format.js";

/** Put server-written times into the reader's zone; those marked `data-ago` tell how long ago it was. */
export function localizeTimes(root = document) {
  for (const node of $$("time[datetime]", root)) {
    node.textContent = "ago" in node.dataset ? ago(node.dateTime) : localTime(node.dateTime);
    node.title = localTime(node.dateTime);
  }
}

function themeButton() {
  const button = $("#theme");
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const label = () => button.setAttribute("aria-label", dark() ? "Switch to light" : "Switch to dark");
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    label();
    try {
      localStorage.setItem("theme", next);
    } catch {
      // storage is switched off: the choice lasts for this page
    }
  });
}

/** Give every `.copyable` block (a <pre>) its button. */
export function copyButtons(root = document) {
  for (const block of $$(".copyable", root)) {
    if ($("button", block)) continue;
    block.append(el("button", { type: "button", class: "small", onclick: () => copy($("pre", block).textContent) }, "Copy"));
  }
}

localizeTimes();
themeButton();
copyButtons();
