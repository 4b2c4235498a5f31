// Filter, sort and group a grid in memory: one pass over typed arrays, 100,000 items in some milliseconds.

import { CORRECTED, DISPUTED, KINDS, REVIEWED, kindOf } from "./grid.js";
import { NOTHING } from "./state.js";

/** Bounds of the histogram's bars: narrow near 1, where most answers are. */
export const EDGES = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1];
const MANY = 65537;

/**
 * Choose items: {order: seqs in order, groups: [{name, start, end}], plain: whether order is 0, 1, 2, …,
 * kinds, values, bars: counts for the filters}. `bars` leave out the range of confidence, which they are there to choose.
 */
export function select(grid, state) {
  const passes = passing(grid, state);
  const kinds = new Uint32Array(KINDS.length);
  const values = new Uint32Array(grid.labels.length + 1);
  const bars = new Uint32Array(EDGES.length - 1);
  const bar = barOf();
  const chosen = new Uint32Array(grid.count);
  let n = 0;
  const [low, high] = (state.sure ?? [0, 1]).map((share) => share * 65535);
  for (let seq = 0; seq < grid.count; seq += 1) {
    const none = grid.label[seq] === grid.none;
    kinds[kindOf(grid.flags[seq])] += 1;
    values[none ? grid.labels.length : grid.label[seq]] += 1;
    if (!passes(seq)) continue;
    if (!none) bars[bar[grid.confidence[seq]]] += 1;
    if (state.sure && (none || grid.confidence[seq] < low || grid.confidence[seq] > high)) continue;
    chosen[n] = seq;
    n += 1;
  }
  const order = sorted(grid, chosen.subarray(0, n), state);
  return { order, groups: grouped(grid, order, state.group), plain: n === grid.count && state.sort === "seq" && !state.group, kinds, values, bars };
}

/** The test of everything but the range of confidence. */
function passing(grid, state) {
  const kinds = KINDS.map((kind) => !state.show.size || state.show.has(kind));
  const values = grid.labels.map((label) => !state.value.size || state.value.has(label));
  const nothing = !state.value.size || state.value.has(NOTHING);
  const [mask, wanted] = { corrected: [CORRECTED, CORRECTED], disagreed: [DISPUTED, DISPUTED], reviewed: [REVIEWED, REVIEWED], unreviewed: [REVIEWED, 0] }[state.look] ?? [0, 0];
  return (seq) =>
    kinds[kindOf(grid.flags[seq])] &&
    (grid.label[seq] === grid.none ? nothing : values[grid.label[seq]]) &&
    (grid.flags[seq] & mask) === wanted;
}

let barTable = null;
/** Number of the bar of each confidence. */
function barOf() {
  if (barTable) return barTable;
  barTable = new Uint8Array(65536);
  for (let value = 0, bar = 0; value < 65536; value += 1) {
    while (bar < EDGES.length - 2 && value >= EDGES[bar + 1] * 65535) bar += 1;
    barTable[value] = bar;
  }
  return barTable;
}

const groupOf = (grid, seq, group) =>
  group === "value" ? (grid.final[seq] === grid.none ? grid.labels.length : grid.final[seq]) : kindOf(grid.flags[seq]);

function sorted(grid, seqs, { sort, group }) {
  if (sort === "seq" && !group) return seqs;
  const keys = new Float64Array(seqs.length);
  const size = Math.max(grid.count, 1);
  for (let n = 0; n < seqs.length; n += 1) {
    const seq = seqs[n];
    const none = grid.label[seq] === grid.none;
    const by = sort === "seq" ? 0 : none ? 65536 : sort === "unsure" ? grid.confidence[seq] : 65535 - grid.confidence[seq];
    keys[n] = ((group ? groupOf(grid, seq, group) : 0) * MANY + by) * size + seq;
  }
  keys.sort();
  return Uint32Array.from(keys, (key) => key % size);
}

function grouped(grid, order, group) {
  if (!group) return [{ name: null, start: 0, end: order.length }];
  const groups = [];
  for (let n = 0; n < order.length; n += 1) {
    const of = groupOf(grid, order[n], group);
    if (!groups.length || groups.at(-1).of !== of) groups.push({ of, name: nameOf(grid, of, group), start: n, end: n });
    groups.at(-1).end = n + 1;
  }
  return groups;
}

const nameOf = (grid, of, group) => (group === "state" ? KINDS[of] : (grid.labels[of] ?? null));
