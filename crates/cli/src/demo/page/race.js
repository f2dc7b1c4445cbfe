"use strict";

// Heights in the chart, of a hundred: tokens stand on the base, refusals hang below it.
const BASE = 66;
const REFUSED_TOP = 70;
const BOTTOM = 100;

// Seconds between two summaries for those who listen.
const SUMMARY_EVERY = 10;

const find = (selector, within = document) => within.querySelector(selector);
const grouped = (number) => number.toLocaleString("en");

// Just below all of it is not called all of it.
function percent(share) {
  if (share === null) return "–";
  const rounded = Math.round(share * 100);
  return `${share < 1 ? Math.min(rounded, 99) : rounded} %`;
}

function span(milliseconds) {
  if (milliseconds === null) return "–";
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${milliseconds} ms`;
  return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`;
}

function ratio(score) {
  if (score.batch_a_tokens === 0) return "–";
  return `1 : ${(score.batch_b_tokens / score.batch_a_tokens).toFixed(1)}`;
}

const ROWS = [
  ["Quota used, once warmed up", (score) => percent(score.quota_used)],
  ["429s from the provider", (score) => grouped(score.refused_429)],
  ["Requests answered", (score) => grouped(score.answered)],
  ["Requests lost", (score) => grouped(score.lost)],
  ["Under way", (score) => grouped(score.under_way)],
  ["Tokens of what was answered", (score) => grouped(score.tokens_answered)],
  ["Chat questions lost", (score) => `${grouped(score.chat_lost)} of ${grouped(score.chat_asked)}`],
  ["Chat wait (answered), median", (score) => span(score.chat_wait_p50_ms)],
  ["Chat wait (answered), 95th %", (score) => span(score.chat_wait_p95_ms)],
  ["Batch tokens, weight 1", (score) => grouped(score.batch_a_tokens)],
  ["Batch tokens, weight 3", (score) => grouped(score.batch_b_tokens)],
  ["Ratio of the two", ratio],
];

// Writes only what has changed, so that nothing is read out or selected anew without need.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function added(parent, name, text = "") {
  const element = document.createElement(name);
  element.textContent = text;
  return parent.appendChild(element);
}

let lanes = [];
let rows = [];

function build(race) {
  const quota = race.quota;
  write(
    find("#quota"),
    `Three tenants share a provider key: chat asks about once a second, two batch jobs always have work. ` +
      `The quota: ${grouped(quota.tokens_per_minute)} tokens and ${grouped(quota.requests_per_minute)} requests ` +
      `a minute, enforced in pieces of ${quota.enforced_in_pieces_of_s} s. Each contestant has one like it for itself.`,
  );
  lanes = race.standings.map((standing) => {
    const lane = find("#lane").content.firstElementChild.cloneNode(true);
    lane.classList.toggle("own", standing.id === "paceline");
    write(find("h2", lane), standing.name);
    write(find(".about", lane), standing.about);
    find(".work", lane).setAttribute("aria-label", `Work answered, ${standing.name}`);
    return find("#lanes").appendChild(lane);
  });
  for (const standing of race.standings) added(find("#names"), "th", standing.name).scope = "col";
  rows = ROWS.map(([label]) => {
    const row = added(find("#rows"), "tr");
    added(row, "th", label).scope = "row";
    return race.standings.map(() => added(row, "td"));
  });
}

// One bar for each second, from `foot` to where `end` puts its value.
function bars(values, foot, end) {
  const bar = (value, second) => (value > 0 ? `M${second + 0.1} ${foot}V${end(value).toFixed(2)}h.8V${foot}Z` : "");
  return values.map(bar).join("");
}

function chart(lane, standing, scale) {
  const plot = find(".plot", lane);
  const height = (tokens) => BASE * (1 - Math.min(tokens / scale.tokens, 1));
  const depth = (refusals) => REFUSED_TOP + (BOTTOM - REFUSED_TOP) * (refusals / scale.refused);
  const draw = (name, path) => find(`path.${name}`, plot).setAttribute("d", path);
  find("svg", plot).setAttribute("viewBox", `0 0 ${scale.seconds} 100`);
  draw("admitted", bars(standing.per_second.charged_tokens, BASE, height));
  draw("refused", bars(standing.per_second.refused_429, REFUSED_TOP, depth));
  draw("base", `M0 ${BASE}H${scale.seconds}`);
  draw("limit", `M0 ${height(scale.limit)}H${scale.seconds}`);
  write(find(".top", plot), grouped(scale.tokens));
  write(find(".middle", plot), grouped(scale.limit));
  // Without a bar, the scale would be taken for a count.
  write(find(".bottom", plot), standing.score.refused_429 > 0 ? grouped(scale.refused) : "");
  find(".middle", plot).style.top = `${height(scale.limit)}%`;
  const score = standing.score;
  plot.setAttribute(
    "aria-label",
    `Chart, second by second: tokens admitted against the limit of ${grouped(scale.limit)} a second, and refusals. ` +
      `So far ${percent(score.quota_used)} of the quota used and ${grouped(score.refused_429)} refused.`,
  );
}

function show(lane, standing, possible, scale) {
  const score = standing.score;
  const figures = {
    refused: grouped(score.refused_429),
    answered: grouped(score.answered),
    lost: grouped(score.lost),
    chatLost: `${grouped(score.chat_lost)} of ${grouped(score.chat_asked)}`,
    wait: span(score.chat_wait_p95_ms),
    quota: percent(score.quota_used),
  };
  for (const [name, text] of Object.entries(figures)) {
    const cell = find(`[data-figure=${name}]`, lane);
    write(cell, text);
    cell.parentElement.classList.toggle("some", !/^0\b/.test(text));
  }
  find(".work", lane).value = Math.min(score.tokens_answered / possible, 1);
  const done = `${grouped(score.tokens_answered)} of ${grouped(Math.round(possible))} tokens possible`;
  write(find(".done", lane), done);
  chart(lane, standing, scale);
}

let summarised = -1;

function summarise(race, seconds) {
  const turn = race.verdict ? Infinity : Math.floor(seconds / SUMMARY_EVERY);
  if (turn === summarised) return;
  summarised = turn;
  const refused = race.standings.map(({ name, score }) => `${name} ${grouped(score.refused_429)}`).join(", ");
  const end = race.verdict ? `The race is over. ${race.verdict.headline}` : `${Math.floor(seconds)} seconds.`;
  write(find("#summary"), `${end} Refused: ${refused}.`);
}

function judge({ verdict, standings }) {
  if (!verdict || !find("#verdict").hidden) return;
  find("#verdict").hidden = false;
  find("#verdict").classList.toggle("broken", !verdict.held);
  write(find("#headline"), verdict.headline);
  write(find("#limits"), verdict.limits);
  standings.forEach(({ name }, index) => {
    const item = added(find("#figures"), "li");
    added(item, "strong", name);
    item.append(`: ${verdict.figures[index]}`);
  });
}

function render(race) {
  if (lanes.length === 0) build(race);
  const seconds = race.elapsed_ms / 1000;
  const length = race.length_ms / 1000;
  const limit = race.quota.tokens_per_minute / 60;
  const atOnce = limit * race.quota.enforced_in_pieces_of_s;
  const refused = race.standings.flatMap((standing) => standing.per_second.refused_429);
  const scale = {
    seconds: length,
    limit,
    // The most that a second can hold: what may go at once, and what comes back meanwhile.
    tokens: atOnce + limit,
    refused: refused.reduce((most, value) => Math.max(most, value), 10),
  };
  find("#clock").value = seconds / length;
  write(find("#seconds"), `${Math.floor(seconds)} of ${Math.floor(length)} s`);
  // What may go at once at the start comes on top of the rate.
  const possible = limit * length + atOnce;
  race.standings.forEach((standing, index) => show(lanes[index], standing, possible, scale));
  ROWS.forEach(([, cell], row) => {
    race.standings.forEach(({ score }, column) => write(rows[row][column], cell(score)));
  });
  summarise(race, seconds);
  judge(race);
}

function follow() {
  const events = new EventSource("events");
  events.onmessage = (event) => {
    const race = JSON.parse(event.data);
    render(race);
    if (race.verdict) events.close();
  };
  events.onerror = () => {
    events.close();
    const note = find("#note");
    note.hidden = false;
    write(note, "The demonstration was ended before the finish. Start it again, and open its new address.");
  };
}

const inlined = find("#data").textContent.trim();
if (inlined) render(JSON.parse(inlined));
else follow();
