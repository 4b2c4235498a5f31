// How many decisions the service does not have yet, and what keeps them from it.

import { $, el, replace, setText, toast } from "../dom.js";
import { count, plural } from "../format.js";

/** Show the state that the line of saves tells. */
export function tellSaves(saves, { unsaved, problem, saved }) {
  setText($("#unsaved"), unsaved ? `${count(unsaved)} unsaved` : saved ? "All saved" : "");
  $("#unsaved").className = unsaved && problem ? "failed" : "muted";
  const place = $("#saves");
  const text = problem ? `${problem.code}${problem.detail}` : "";
  if (place.dataset.told === text && unsaved) return;
  place.dataset.told = text;
  replace(place, problem ? notice(saves, problem) : null);
}

function notice(saves, problem) {
  const forGood = !problem.retryable;
  const leave = el("button", { type: "button", class: "small", onclick: () => toast(`Left out: ${plural(saves.leaveOut().length, "decision")}.`) }, "Leave it out");
  const signIn = el("a", { class: "button small", href: "/sign-in", target: "_blank", rel: "noopener" }, "Sign in in a new tab");
  return el(
    "div",
    { class: "notice failed", role: "alert" },
    el("p", {}, el("strong", {}, problem.what), ` ${forGood ? problem.detail : "Your decisions are kept here and sent again by themselves; you can go on."}`),
    el("div", { class: "row" }, el("button", { type: "button", class: "small", onclick: () => saves.again() }, "Try again now"), forGood ? leave : null, problem.code === "unauthorized" ? signIn : null),
  );
}
