// How far reviewing has come, and how well people agree.

import { json } from "../api.js";
import { $, el, replace, setText } from "../dom.js";
import { count, percent, plural } from "../format.js";

const EVERY_MS = 8000;

/** Ask for the sums now and then; returns a function that asks at once. */
export function watchProgress(job, reviewer) {
  let timer = null;
  const ask = async () => {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        show(await json(`/v1/jobs/${job}/reviews`), reviewer);
      } catch {
        // the line of saves tells of a lost connection; these sums can wait
      }
    }
    timer = setTimeout(ask, EVERY_MS);
  };
  ask();
  return ask;
}

function show(sums, reviewer) {
  const mine = sums.reviewers.find((one) => one.reviewer === reviewer);
  setText($("#team-done"), `${count(sums.done)} of ${count(sums.needed)}`);
  const bar = $("#team-bar");
  bar.max = Math.max(sums.needed, 1);
  bar.value = sums.done;
  setText($("#team-corrected"), count(sums.corrected));
  setText($("#team-disagreed"), count(sums.disagreed));
  replace($("#team-people"), sums.reviewers.map((one) => el("li", {}, el("strong", {}, one.reviewer === reviewer ? `${one.reviewer} (you)` : one.reviewer), ` ${plural(one.items, "item")}`)));
  const pairs = sums.agreement.filter((pair) => !mine || pair.reviewers.includes(reviewer));
  replace($("#team-agreement"), pairs.map((pair) => el("li", {}, agreement(pair))));
  $("#team-together").hidden = !pairs.length;
}

/** "anna and ben said the same of 19 of 20 (95 %)" */
function agreement({ reviewers, items, same, kappa }) {
  const sure = kappa === null ? "" : `, ${strength(kappa)}`;
  return `${reviewers.join(" and ")} said the same of ${count(same)} of ${plural(items, "item")} (${percent(same / items)})${sure}`;
}

/** Cohen's kappa in words, by Landis and Koch, "The Measurement of Observer Agreement", 1977. */
function strength(kappa) {
  if (kappa > 0.8) return "almost perfect agreement beyond chance";
  if (kappa > 0.6) return "substantial agreement beyond chance";
  if (kappa > 0.4) return "moderate agreement beyond chance";
  if (kappa > 0.2) return "fair agreement beyond chance";
  return "hardly more than chance";
}
