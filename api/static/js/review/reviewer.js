// Who reviews: asked once, kept in this browser.

import { $ } from "../dom.js";

const KEY = "reviewer";
/** The same that the service takes: no slashes, no control characters, no space around. */
const FORBIDDEN = /[/\\\p{C}\p{Zl}\p{Zp}]/u;

/** The name kept, or null. */
export function keptName() {
  try {
    return checked(localStorage.getItem(KEY) ?? "");
  } catch {
    return null;
  }
}

const checked = (text) => {
  const name = text.trim().normalize("NFC");
  return name && [...name].length <= 64 && name !== "." && name !== ".." && !FORBIDDEN.test(name) ? name : null;
};

/** Ask for the name; resolves with one that the service takes. */
export function askName(suggested) {
  const form = $("#who");
  const field = $("#reviewer");
  form.hidden = false;
  field.value = keptName() ?? checked(suggested ?? "") ?? "";
  field.focus();
  return new Promise((done) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const name = checked(field.value);
      field.setAttribute("aria-invalid", name === null);
      $("#reviewer-problem").hidden = name !== null;
      if (name === null) return field.focus();
      try {
        localStorage.setItem(KEY, name);
      } catch {
        // it is asked for again next time
      }
      form.hidden = true;
      done(name);
    };
  });
}
